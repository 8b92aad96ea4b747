import IBKRProvider
import ProviderKit
import MarketModel
import ReplayProvider
import ServiceRuntime

/// The providers of the product, beside the synthetic market. A program of one's own gives more to
/// `Main.run`: their names then work in `GATEWAY_PROVIDER`, too, and each `ConfigurationKey` that
/// they have is the gateway's.
enum GatewayProviders {
    static let ofThisProgram: [ProviderKind] = [
        .interactiveBrokers,
        ProviderKind(
            name: "replay", keys: ConfigurationKey.replay, rules: ReplayProvider.rules,
            needsInstruments: false, isRecorded: true,
            make: { try ReplayProvider($0) }),
    ]

    /// Settings of a provider that is not named are not looked at.
    static func rules(of kind: ProviderKind) -> [ConfigurationRule] {
        kind.rules.map { rule in
            ConfigurationRule { configuration in
                configuration.list("GATEWAY_PROVIDER").contains(kind.name)
                    ? rule.problem(configuration) : nil
            }
        }
    }
}
