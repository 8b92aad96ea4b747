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
    /// `nil`: the service knows none, or none is given.
    let key: ServiceKey?
    /// The parameter that FRED's key is in each query.
    let parameter: String?
    /// The header that CoinGecko's key is.
    let header: String?
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
        key = keys.secret(configuration).isEmpty ? nil : keys.key(configuration)
        parameter = keys.table == .fred ? "api_key" : nil
        let isPro = url.host.hasPrefix("pro-api.")
        header =
            keys.table != .coingecko ? nil : isPro ? "x-cg-pro-api-key" : "x-cg-demo-api-key"
        var http = shared.http(configuration)
        http.bodyBytesMax = Self.bodyBytesMax
        self.http = http
        var engine = PolledSettings(keys.table, seed: seed)
        engine.every = shared.span("EVERY", configuration)
        if keys.hasHistory { engine.history = configuration.integer(shared.name("HISTORY")) }
        if let key { engine.hidden = key.hidden }
        self.engine = engine
    }

    func request(_ asked: PolledRequest) -> HTTPRequest? {
        let own = credentials()
        return HTTPURL(address + asked.path, query: asked.query + own.query).map {
            HTTPRequest($0, headers: own.headers)
        }
    }

    /// Returns where a request has its key, which is read again first.
    func credentials() -> (query: [(name: String, value: String)], headers: [HTTPHeader]) {
        guard let key else { return ([], []) }
        key.renew()
        return (
            parameter.map { [(name: $0, value: key[0])] } ?? [],
            header.map { [HTTPHeader($0, key[0], isSecret: true)] } ?? []
        )
    }

    var customMirror: Mirror { Mirror(self, children: ["address": address]) }
}
