package import ServiceRuntime
internal import StoreHTTP

// The settings by which a server is reached, for the writer and the tool.
extension QuestDBClient {
    package static let keys = [
        ConfigurationKey(
            "QUESTDB_URL", .text, default: "http://127.0.0.1:9000", group: "QuestDB",
            "Where its interface of HTTP is: http://host:port, or https://host:port."),
        ConfigurationKey(
            "QUESTDB_USER", .text, group: "QuestDB",
            "User of that interface; empty: it asks for none."),
        ConfigurationKey(
            "QUESTDB_PASSWORD", .text, secret: true, group: "QuestDB",
            "Password of that user."),
    ]

    package static let rules = [
        ConfigurationRule(reads: ["QUESTDB_URL"]) { configuration in
            StoreHTTPClient.problem(configuration.text("QUESTDB_URL")).map {
                "QUESTDB_URL: \($0)"
            }
        }
    ]
}

extension QuestDBClient.Settings {
    package init(_ configuration: Configuration) {
        self.init(
            url: configuration.text("QUESTDB_URL"),
            user: configuration.optionalText("QUESTDB_USER") ?? "",
            password: configuration.secret("QUESTDB_PASSWORD")?.revealed)
        renewable = configuration.renewable("QUESTDB_PASSWORD")
    }
}
