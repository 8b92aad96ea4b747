import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime

/// `provider-gateway plan`: asks what a load of the past takes, without NATS, and reports it.
/// `tapeline load` shows it to people.
struct HistoryPlanRun {
    static let subcommand = ServiceDescription.Subcommand(
        "plan", "Ask, without NATS, what a load of the past takes, report it, and stop.")

    let settings: GatewaySettings
    let context: ServiceContext

    /// Succeeds if everything can be loaded.
    func run() throws -> ExitCode {
        let delivery = settings.delivery
        guard let kind = delivery.kinds.first, let plan = kind.historyPlan else {
            throw SettingsError("GATEWAY_PROVIDER: its past cannot be loaded")
        }
        let instruments = delivery.registry.wanted.compactMap { delivery.registry.instrument($0) }
        let found = try plan(
            ProviderKind.Context(
                configuration: context.configuration, telemetry: context.telemetry,
                threads: context.threads), instruments, context.shutdown)
        for entry in found.entries {
            context.telemetry.emit(.plannedSymbol(provider: kind.name, entry: entry))
        }
        context.telemetry.emit(.plannedLoad(provider: kind.name, plan: found))
        return found.problem.isEmpty ? .success : .failure
    }
}

extension ServiceEvent {
    fileprivate static func plannedSymbol(provider: String, entry: HistoryPlan.Entry) -> Self {
        Self(
            .info, "gateway.plan.symbol",
            entry.problem.isEmpty
                ? "\(entry.symbol) has \(entry.count.words) \(entry.what) in the range"
                : "\(entry.symbol) cannot be loaded: \(entry.problem)",
            fields: [("provider", .text(provider)), ("symbol", .text(entry.symbol.text))]
                + entry.count.fields
                + [("problem", .text(entry.problem)), ("counted", .text(entry.count.way))])
    }

    fileprivate static func plannedLoad(provider: String, plan: HistoryPlan) -> Self {
        Self(
            plan.problem.isEmpty ? .info : .error, "gateway.plan",
            plan.problem.isEmpty
                ? "\(plan.count.words) records in \(plan.requests) requests"
                : "the range cannot be loaded",
            fields: [("provider", .text(provider))] + plan.count.fields + [
                ("requests", .integer(Int64(clamping: plan.requests))),
                ("seconds", .integer(plan.duration.clampedNanoseconds / 1_000_000_000)),
                ("symbols", .integer(Int64(plan.entries.count { $0.count != .exactly(0) }))),
                ("problem", .text(plan.problem)), ("counted", .text(plan.count.way)),
            ])
    }
}

extension HistoryPlan.Count {
    fileprivate var words: String {
        switch self {
        case .exactly(let number): "\(number)"
        case .about(let number): "about \(number)"
        case .unknown: "an unknown number of"
        }
    }

    /// The number, if there is one.
    fileprivate var fields: [(String, LogValue)] {
        number.map { [("count", .integer(Int64(clamping: $0)))] } ?? []
    }

    /// How it was found.
    fileprivate var way: String {
        switch self {
        case .exactly: "exactly"
        case .about: "about"
        case .unknown: "unknown"
        }
    }
}
