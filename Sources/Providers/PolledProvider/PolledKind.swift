internal import EngineKit
internal import HTTPClient
internal import PolledEngine
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=fred`.
    package static let fred = polled(.fred)
    /// The provider of `GATEWAY_PROVIDER=coingecko`.
    package static let coinGecko = polled(.coinGecko)
    /// The provider of `GATEWAY_PROVIDER=alternative-me`.
    package static let alternativeMe = polled(.alternativeMe)

    private static func polled(_ keys: PolledKeys) -> ProviderKind {
        ProviderKind(name: keys.table.rawValue, keys: keys.all, rules: keys.rules) { context in
            // The seed decides only waits, so any number will do.
            let setup = try PolledSetup(
                keys, context.configuration, seed: UInt64.random(in: 0...UInt64.max))
            return EngineProvider(setup, context)
        }
        .continuingByValues()
    }
}

/// The provider's settings. Its key is in no description.
struct PolledSetup: Sendable, CustomReflectable {
    /// The service's address, without a slash at the end.
    let address: String
    /// What is added to each query: FRED's key.
    let query: [(name: String, value: String)]
    /// CoinGecko's key.
    let headers: [HTTPHeader]
    let http: HTTPConfiguration
    let engine: PolledSettings

    /// No answer for the newest values is as large as this.
    private static let bodyBytesMax = 1_048_576

    init(
        _ keys: PolledKeys, _ configuration: Configuration, seed: UInt64
    ) throws(SettingsError) {
        let shared = keys.shared
        let address = PolledKeys.address(configuration.text(shared.name("URL")))
        guard let url = HTTPURL(address) else {
            throw SettingsError(
                "\(shared.name("URL")): an address like https://name:port is needed")
        }
        self.address = address
        let key = keys.secret(configuration)
        switch keys.table {
        case .fred:
            query = [("api_key", key)]
            headers = []
        case .coingecko where !key.isEmpty:
            query = []
            let name = url.host.hasPrefix("pro-api.") ? "x-cg-pro-api-key" : "x-cg-demo-api-key"
            headers = [HTTPHeader(name, key, isSecret: true)]
        case .coingecko, .alternativeMe: (query, headers) = ([], [])
        }
        var http = shared.http(configuration)
        http.bodyBytesMax = Self.bodyBytesMax
        self.http = http
        var engine = PolledSettings(keys.table, seed: seed)
        engine.every = shared.span("EVERY", configuration)
        if keys.hasHistory { engine.history = configuration.integer(shared.name("HISTORY")) }
        engine.hidden = HiddenTexts([key])
        self.engine = engine
    }

    var customMirror: Mirror { Mirror(self, children: ["address": address]) }
}
