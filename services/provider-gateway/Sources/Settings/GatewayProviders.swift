import IBKRProvider
import ProviderKit
import MarketModel
import ReplayProvider
import ServiceRuntime

/// The providers that this program is built with. One's own stands here with the others: its name
/// then works in `GATEWAY_PROVIDER`, and each `ConfigurationKey` that it has is the gateway's.
enum GatewayProviders {
    static let ofThisProgram: [ProviderKind] = [
        .synthetic,
        .interactiveBrokers,
        ProviderKind(
            name: "replay", keys: ConfigurationKey.replay, rules: ReplayProvider.rules,
            needsInstruments: false, isRecorded: true,
            make: { try ReplayProvider($0) }),
    ]

    /// Settings of a provider that is not named are not looked at, unless all of it follows from
    /// them.
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
