internal import PolledEngine
internal import ServiceRuntime

// The settings of each service. Each key is written out, so that it can be found by its name.
extension PolledKeys {
    static let fred = PolledKeys(
        table: .fred,
        names: Names(
            url: "FRED_URL", every: "FRED_EVERY", proxy: "FRED_PROXY", authority: "FRED_TLS_CA",
            history: "FRED_HISTORY", apiKey: "FRED_API_KEY"),
        all: [
            ConfigurationKey(
                "FRED_URL", .text, default: "https://api.stlouisfed.org", group: "FRED",
                "Address of the service."),
            ConfigurationKey(
                "FRED_EVERY", .duration(every), default: usual(.fred), group: "FRED",
                "How often each series is asked for."),
            ConfigurationKey(
                "FRED_PROXY", .text, group: "FRED",
                "Proxy as name:port, asked by CONNECT; empty: none."),
            ConfigurationKey(
                "FRED_TLS_CA", .text, group: "FRED",
                "Path of certificates (PEM) that are trusted beside the system's."),
            ConfigurationKey(
                "FRED_HISTORY", .integer(1...PolledLimits.windowMax), default: "1",
                group: "FRED",
                "The newest values of a series that are published at its first start."),
            ConfigurationKey(
                "FRED_API_KEY", .text, secret: true, group: "FRED",
                "Key of the service, which it demands."),
        ],
        demandsKey: true)

    static let coinGecko = PolledKeys(
        table: .coingecko,
        names: Names(
            url: "COINGECKO_URL", every: "COINGECKO_EVERY", proxy: "COINGECKO_PROXY",
            authority: "COINGECKO_TLS_CA", apiKey: "COINGECKO_API_KEY"),
        all: [
            ConfigurationKey(
                "COINGECKO_URL", .text, default: "https://api.coingecko.com", group: "CoinGecko",
                "Address of the service."),
            ConfigurationKey(
                "COINGECKO_EVERY", .duration(every), default: usual(.coingecko), group: "CoinGecko",
                "How often each series is asked for."),
            ConfigurationKey(
                "COINGECKO_PROXY", .text, group: "CoinGecko",
                "Proxy as name:port, asked by CONNECT; empty: none."),
            ConfigurationKey(
                "COINGECKO_TLS_CA", .text, group: "CoinGecko",
                "Path of certificates (PEM) that are trusted beside the system's."),
            ConfigurationKey(
                "COINGECKO_API_KEY", .text, secret: true, group: "CoinGecko",
                "Key of the service; empty: none, with a lower limit of requests."),
        ])

    static let alternativeMe = PolledKeys(
        table: .alternativeMe,
        names: Names(
            url: "ALTERNATIVE_URL", every: "ALTERNATIVE_EVERY", proxy: "ALTERNATIVE_PROXY",
            authority: "ALTERNATIVE_TLS_CA", history: "ALTERNATIVE_HISTORY"),
        all: [
            ConfigurationKey(
                "ALTERNATIVE_URL", .text, default: "https://api.alternative.me",
                group: "Alternative.me",
                "Address of the service."),
            ConfigurationKey(
                "ALTERNATIVE_EVERY", .duration(every), default: usual(.alternativeMe),
                group: "Alternative.me",
                "How often each series is asked for."),
            ConfigurationKey(
                "ALTERNATIVE_PROXY", .text, group: "Alternative.me",
                "Proxy as name:port, asked by CONNECT; empty: none."),
            ConfigurationKey(
                "ALTERNATIVE_TLS_CA", .text, group: "Alternative.me",
                "Path of certificates (PEM) that are trusted beside the system's."),
            ConfigurationKey(
                "ALTERNATIVE_HISTORY", .integer(1...PolledLimits.windowMax), default: "1",
                group: "Alternative.me",
                "The newest values of a series that are published at its first start."),
        ])

    /// The periods that can be set.
    private static let every = Duration.seconds(1)...Duration.seconds(86_400)

    private static func usual(_ table: PolledTable) -> String {
        "\(table.usualEvery / 1_000_000_000)s"
    }
}
