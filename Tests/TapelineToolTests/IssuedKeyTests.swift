import Testing

@testable import TapelineTool

@Suite("Issued keys")
struct IssuedKeyTests {
    @Test("vendors' keys and certificates are listed with their files, and no value is shown")
    func listed() throws {
        let settings = try testSettings([
            "ALPACA_API_SECRET_FILE=/k/secret", "ALPACA_API_KEY=PKVALUE", "ALPACA_FEED=iex",
            "ALPACA_TLS_CA=/k/ca", "COCKPIT_TLS_KEY=/k/tls", "MASSIVE_API_KEY_FILE=",
            "CLICKHOUSE_PASSWORD_FILE=/k/store", "OTEL_EXPORTER_OTLP_CERTIFICATE=/k/collector",
        ])
        let issued = IssuedKey.all(of: settings)
        #expect(
            issued.map(\.name) == [
                "ALPACA_API_KEY", "ALPACA_API_SECRET", "ALPACA_TLS_CA", "CLICKHOUSE_PASSWORD",
                "COCKPIT_TLS_KEY", "OTEL_EXPORTER_OTLP_CERTIFICATE",
            ])
        #expect(issued.allSatisfy { !$0.summary.contains("PKVALUE") })
        #expect(
            issued.map(\.summary) == [
                "in the settings: with ALPACA_API_KEY_FILE=… a new one needs no start",
                "write a new one into /k/secret: the next connection has it",
                "write a new one into /k/ca, then start the stack again",
                "write a new one into /k/store: the next connection has it",
                "write a new one into /k/tls: new connections have it",
                "write a new one into /k/collector: new connections have it",
            ])
    }

    @Test("a stack without them has none")
    func none() throws {
        let settings = try testSettings(["SYNTHETIC_RATE=5", "LOG_LEVEL=debug"])
        #expect(IssuedKey.all(of: settings).isEmpty)
    }
}
