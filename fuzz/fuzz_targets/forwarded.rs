//! The reader of forwarded headers, one line of the input a value. Whatever they say: who is not trusted speaks for nobody
//! but himself.
#![no_main]

use std::net::IpAddr;

use golive_cache::{AddressPrefix, ClientAddress, ForwardedHeader, TrustedProxies};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let peers: [IpAddr; 3] = ["198.51.100.7", "10.0.0.5", "2001:db8::1"].map(|text| text.parse().unwrap());
    let proxies = || TrustedProxies::networks(vec!["10.0.0.0/8".parse().unwrap()]);
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        for peer in peers {
            let found = |proxies| ClientAddress::new(proxies, header).find(peer, input.lines());
            assert_eq!(found(TrustedProxies::none()), peer);
            let client = found(proxies());
            assert!(peer == peers[1] || client == peer, "a stranger spoke for {client}");
            let _far = found(TrustedProxies::hops(3));
            assert!(AddressPrefix::default().key(client).len() <= 64);
        }
    }
});
