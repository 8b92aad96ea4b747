package import ServiceRuntime
internal import StoreHTTP

// The settings by which a server is reached, for the writer and the tool.
extension ClickHouseClient {
    package static let keys = [
        ConfigurationKey(
            "CLICKHOUSE_URL", .text, default: "http://127.0.0.1:8123", group: "ClickHouse",
            "Where its interface of HTTP is: http://host:port, or https://host:port."),
        ConfigurationKey(
            "CLICKHOUSE_DATABASE", .text, default: "market_data", group: "ClickHouse",
            "Name of the database, which is this store's alone."),
        ConfigurationKey(
            "CLICKHOUSE_USER", .text, default: "default", group: "ClickHouse",
            "User who inserts and reads; for 'store-writer migrate' one who makes tables."),
        ConfigurationKey(
            "CLICKHOUSE_PASSWORD", .text, secret: true, group: "ClickHouse",
            "Password of that user."),
    ]

    package static let rules = [urlRule, databaseRule]

    private static let urlRule = ConfigurationRule(reads: ["CLICKHOUSE_URL"]) { configuration in
        StoreHTTPClient.problem(configuration.text("CLICKHOUSE_URL")).map {
            "CLICKHOUSE_URL: \($0)"
        }
    }

    private static let databaseRule = ConfigurationRule(reads: ["CLICKHOUSE_DATABASE"]) {
        configuration in
        let name = configuration.text("CLICKHOUSE_DATABASE")
        let isName =
            (1...64).contains(name.utf8.count) && name.utf8.first.map { !isDigit($0) } ?? false
            && name.utf8.allSatisfy { isDigit($0) || isLetter($0) || $0 == UInt8(ascii: "_") }
        return isName
            ? nil : "CLICKHOUSE_DATABASE: '\(name)' is no name of letters, digits and _"
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) }
}

extension ClickHouseClient.Settings {
    package init(_ configuration: Configuration) {
        self.init(
            url: configuration.text("CLICKHOUSE_URL"), user: configuration.text("CLICKHOUSE_USER"),
            password: configuration.secret("CLICKHOUSE_PASSWORD")?.revealed,
            database: configuration.text("CLICKHOUSE_DATABASE"))
        renewable = configuration.renewable("CLICKHOUSE_PASSWORD")
    }
}
