import AlpacaProvider
import BinanceProvider
import IBKRProvider
import MassiveProvider
import PolledProvider
import ProviderKit
import MarketModel
import ReplayProvider
import ServiceRuntime

/// The providers of the product. Another program passes more of them to `Main.run`. Their names
/// then work in `GATEWAY_PROVIDER`, too, and each of their `ConfigurationKey`s is the gateway's.
enum GatewayProviders {
    static let ofThisProgram: [ProviderKind] = [
        .synthetic,
        .interactiveBrokers,
        .interactiveBrokersHistory,
        .binance,
        .binanceHistory,
        .alpaca,
        .alpacaHistory,
        .massive,
        .massiveHistory,
        .fred,
        .coinGecko,
        .alternativeMe,
        ProviderKind(
            name: "replay", keys: ConfigurationKey.replay, rules: ReplayProvider.rules,
            needsInstruments: false, isRecorded: true,
            make: { try ReplayProvider($0) }),
    ]

    /// Returns the rules of a kind. Settings of a provider that is not named are not checked,
    /// unless the kind follows from its settings alone.
    static func rules(of kind: ProviderKind) -> [ConfigurationRule] {
        guard kind.instruments == nil else { return kind.rules }
        return kind.rules.map { rule in
            ConfigurationRule { configuration in
                configuration.list("GATEWAY_PROVIDER").contains(kind.name)
                    ? rule.problem(configuration) : nil
            }
        }
    }
}
