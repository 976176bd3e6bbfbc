//! Whose request it is: the peer's, or that of whom trusted proxies say they speak for. The one declared header is read
//! from the right, and only as long as the one who wrote it is trusted: what stands further left anybody can write. No
//! HTTP types: header values come in as text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which header the proxies write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy`.
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

impl ForwardedHeader {
    /// Its name, in small letters.
    pub fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

/// A range of addresses, as `10.0.0.0/8` or `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: u128,
    mask: u128,
}

/// A range that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read the network `{text}`: write it as 10.0.0.0/8, 2001:db8::/32 or one address")]
pub struct NetworkError {
    text: String,
}

impl std::str::FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError { text: text.chars().take(64).collect() };
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| wrong())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (bits, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length = length.unwrap_or(bits);
        if length > bits {
            return Err(wrong());
        }
        let length = length + offset;
        let mask = if length == 0 { 0 } else { u128::MAX << (128 - length) };
        Ok(Self { address: number(address) & mask, mask })
    }
}

impl Network {
    /// Whether the address is in it. An IPv4 address is the same written as IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        number(address) & self.mask == self.address
    }
}

/// As one number for both families: IPv4 as `::ffff:a.b.c.d`.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// Which proxies may speak for others.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    trust: Trust,
}

#[derive(Clone, Debug, Default)]
enum Trust {
    #[default]
    Nobody,
    Hops(u8),
    Networks(Vec<Network>),
}

impl TrustedProxies {
    /// Nobody: the peer is the client, whatever headers say.
    pub fn none() -> Self {
        Self::default()
    }

    /// Exactly so many proxies stand before the service, and nothing reaches it past them. 0 is nobody.
    pub fn hops(hops: u8) -> Self {
        Self { trust: if hops == 0 { Trust::Nobody } else { Trust::Hops(hops) } }
    }

    /// Who connects from these networks.
    pub fn networks(networks: Vec<Network>) -> Self {
        Self { trust: Trust::Networks(networks) }
    }
}

/// Finds the client's address.
///
/// ```
/// use golive_cache::{AddressPrefix, ClientAddress, ForwardedHeader, TrustedProxies};
///
/// let proxies = TrustedProxies::networks(vec!["10.0.0.0/8".parse()?]);
/// let client = ClientAddress::new(proxies, ForwardedHeader::XForwardedFor);
/// let forged = ["1.1.1.1, 203.0.113.7"]; // the proxy appended the second
/// let address = client.find("10.0.0.5".parse()?, forged);
/// assert_eq!(AddressPrefix::default().key(address), "203.0.113.7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientAddress {
    proxies: TrustedProxies,
    header: ForwardedHeader,
}

/// More proxies than this stand before nothing.
const MOST_HOPS: usize = 32;

impl ClientAddress {
    /// With these proxies and the header that they write.
    pub fn new(proxies: TrustedProxies, header: ForwardedHeader) -> Self {
        Self { proxies, header }
    }

    /// The header to be handed to [`ClientAddress::find`].
    pub fn header(&self) -> ForwardedHeader {
        self.header
    }

    /// The client's address: from the peer's, and all values of the header in their order.
    pub fn find<'a, I>(&self, peer: IpAddr, values: I) -> IpAddr
    where
        I: IntoIterator<Item = &'a str>,
        I::IntoIter: DoubleEndedIterator,
    {
        let peer = peer.to_canonical();
        let separated = values.into_iter().rev().flat_map(|value| value.rsplit(',')).take(MOST_HOPS);
        let mut named = separated.map_while(|element| self.read(element));
        match &self.proxies.trust {
            Trust::Nobody => peer,
            // With fewer names than proxies the request came another way: then only the peer is certain.
            Trust::Hops(hops) => named.nth(usize::from(*hops) - 1).unwrap_or(peer),
            Trust::Networks(networks) => {
                let is_trusted = |address| networks.iter().any(|network| network.contains(address));
                let mut address = peer;
                while is_trusted(address) {
                    let Some(before) = named.next() else { break };
                    address = before;
                }
                address
            }
        }
    }

    fn read(&self, element: &str) -> Option<IpAddr> {
        let element = element.trim();
        match self.header {
            ForwardedHeader::XForwardedFor => read_node(element),
            ForwardedHeader::Forwarded => {
                let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
                let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
                let (_, node) = nodes.next()?;
                // Twice in one element is nothing that a proxy writes.
                if nodes.next().is_some() { None } else { read_node(node.trim().trim_matches('"')) }
            }
        }
    }
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn read_node(text: &str) -> Option<IpAddr> {
    if text.len() > 64 {
        return None;
    }
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        if !port.is_empty() {
            port.strip_prefix(':')?.parse::<u16>().ok()?;
        }
        IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)
    } else if let Some((address, port)) = text.split_once(':').filter(|(_, port)| !port.contains(':')) {
        port.parse::<u16>().ok()?;
        IpAddr::V4(address.parse::<Ipv4Addr>().ok()?)
    } else {
        text.parse().ok()?
    };
    Some(address.to_canonical())
}

/// How many bits of an address are counted as one client. One household has a whole /64 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressPrefix {
    /// Of IPv4, 32 at most. Default 32.
    pub v4: u8,
    /// Of IPv6, 128 at most. Default 64.
    pub v6: u8,
}

impl Default for AddressPrefix {
    fn default() -> Self {
        Self { v4: 32, v6: 64 }
    }
}

impl AddressPrefix {
    /// So many bits of each.
    pub fn new(v4: u8, v6: u8) -> Self {
        Self { v4, v6 }
    }

    /// What a client is counted under, for [`RateLimiter::check`](crate::RateLimiter::check).
    pub fn key(&self, address: IpAddr) -> String {
        match address.to_canonical() {
            IpAddr::V4(address) if self.v4 >= 32 => address.to_string(),
            IpAddr::V4(address) => {
                let kept = u32::from(address) & u32::MAX.checked_shl(32 - u32::from(self.v4)).unwrap_or(0);
                format!("{}/{}", Ipv4Addr::from(kept), self.v4)
            }
            IpAddr::V6(address) if self.v6 >= 128 => address.to_string(),
            IpAddr::V6(address) => {
                let kept = u128::from(address) & u128::MAX.checked_shl(128 - u32::from(self.v6)).unwrap_or(0);
                format!("{}/{}", Ipv6Addr::from(kept), self.v6)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn behind(networks: &[&str], header: ForwardedHeader) -> ClientAddress {
        let networks = networks.iter().map(|text| text.parse().unwrap()).collect();
        ClientAddress::new(TrustedProxies::networks(networks), header)
    }

    #[test]
    fn a_forged_header_changes_nothing() {
        let (peer, header) = (ip("10.0.0.5"), ForwardedHeader::XForwardedFor);
        let values = ["1.1.1.1, 203.0.113.7", "10.0.0.9"];
        assert_eq!(ClientAddress::new(TrustedProxies::none(), header).find(peer, values), peer);
        let client = behind(&["10.0.0.0/8"], header);
        assert_eq!(client.find(peer, values), ip("203.0.113.7"));
        assert_eq!(client.find(ip("198.51.100.1"), values), ip("198.51.100.1"), "not from a proxy");
        assert_eq!(
            client.find(peer, ["127.0.0.1, 203.0.113.7, junk, 10.0.0.9"]),
            ip("10.0.0.9"),
            "junk ends it"
        );
        assert_eq!(client.find(peer, ["10.1.1.1, 10.1.1.2"]), ip("10.1.1.1"), "all of them proxies");
        assert_eq!(client.find(peer, std::iter::empty()), peer);
    }

    #[test]
    fn hops_count_from_the_right() {
        let of = |hops| ClientAddress::new(TrustedProxies::hops(hops), ForwardedHeader::XForwardedFor);
        let values = ["6.6.6.6, 203.0.113.7, 198.51.100.1"];
        assert_eq!(of(0).find(ip("10.0.0.5"), values), ip("10.0.0.5"));
        assert_eq!(of(1).find(ip("10.0.0.5"), values), ip("198.51.100.1"));
        assert_eq!(of(2).find(ip("10.0.0.5"), values), ip("203.0.113.7"));
        assert_eq!(of(4).find(ip("10.0.0.5"), values), ip("10.0.0.5"), "fewer names than proxies");
    }

    #[test]
    fn reads_both_headers_with_ports_and_families() {
        let client = behind(&["10.0.0.0/8", "::1"], ForwardedHeader::Forwarded);
        let of = |value| client.find(ip("::1"), [value]);
        assert_eq!(of("for=\"[2001:db8::1]:4711\";proto=https"), ip("2001:db8::1"));
        assert_eq!(of("For=203.0.113.7:80, for=10.0.0.1"), ip("203.0.113.7"));
        assert_eq!(of("for=unknown"), ip("::1"));
        assert_eq!(of("for=_hidden, for=203.0.113.7"), ip("203.0.113.7"));
        assert_eq!(of("for=1.1.1.1;for=2.2.2.2"), ip("::1"));
        let client = behind(&["::ffff:10.0.0.0/104"], ForwardedHeader::XForwardedFor);
        assert_eq!(client.find(ip("::ffff:10.0.0.5"), ["::ffff:203.0.113.7"]), ip("203.0.113.7"));
    }

    #[test]
    fn one_household_is_one_client_and_a_mapped_address_is_its_ipv4_self() {
        let key = |text| AddressPrefix::default().key(ip(text));
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_eq!(AddressPrefix::new(24, 48).key(ip("192.0.2.200")), "192.0.2.0/24");
        assert_eq!(AddressPrefix::new(0, 0).key(ip("192.0.2.200")), "0.0.0.0/0");
        assert_eq!(AddressPrefix::new(0, 0).key(ip("2001:db8::1")), "::/0");
    }

    #[test]
    fn networks_are_read_or_refused() {
        let network: Network = "192.0.2.0/24".parse().unwrap();
        assert!(network.contains(ip("192.0.2.9")) && network.contains(ip("::ffff:192.0.2.9")));
        assert!(!network.contains(ip("192.0.3.9")) && !network.contains(ip("::192.0.2.9")));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains(ip("8.8.8.8")));
        assert!(!"0.0.0.0/0".parse::<Network>().unwrap().contains(ip("2001:db8::1")));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/8/8", "x"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_client_writes_in_front_it_is_counted_as_itself(
            forged in "[ -~]{0,300}",
            last: [u8; 4],
            header in proptest::sample::select(vec![ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded]),
        ) {
            let own = IpAddr::from([203, 0, last[2], last[3]]);
            let written = match header {
                ForwardedHeader::XForwardedFor => format!("{forged}, {own}"),
                ForwardedHeader::Forwarded => format!("{forged}, for={own}"),
            };
            let client = behind(&["10.0.0.0/8"], header);
            proptest::prop_assert_eq!(client.find(ip("10.0.0.5"), [written.as_str()]), own);
            proptest::prop_assert_eq!(client.find(ip("10.0.0.5"), [forged.as_str(), written.as_str()]), own);
            let _any_value_is_read_without_a_panic = client.find(ip("10.0.0.5"), [forged.as_str()]);
        }
    }
}
