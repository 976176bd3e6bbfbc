FROM eclipse-temurin:21-jdk-jammy@sha256:1111111111111111111111111111111111111111111111111111111111111111 AS build
WORKDIR /workspace
COPY gradlew settings.gradle.kts build.gradle.kts ./
COPY gradle gradle
RUN --mount=type=cache,target=/var/cache/gradle ./gradlew --no-daemon dependencies
COPY src src
RUN --mount=type=cache,target=/var/cache/gradle ./gradlew --no-daemon bootJar \
  && java -Djarmode=tools -jar build/libs/app.jar extract --layers --destination extracted

FROM eclipse-temurin:21-jre-jammy@sha256:1111111111111111111111111111111111111111111111111111111111111111
WORKDIR /app
COPY --from=build /workspace/extracted/dependencies/ ./
COPY --from=build /workspace/extracted/application/ ./
USER 10001
ENV JAVA_TOOL_OPTIONS="-XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError"
EXPOSE 8080
HEALTHCHECK --start-period=60s CMD ["curl", "--fail", "--silent", "http://127.0.0.1:8080/actuator/health/liveness"]
ENTRYPOINT ["java", "-jar", "app.jar"]
