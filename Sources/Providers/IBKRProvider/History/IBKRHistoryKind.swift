internal import IBEngine
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit

private let group = "Interactive Brokers"

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=ibkr-history`, which loads past trades or bars.
    package static let interactiveBrokersHistory = ProviderKind(
        name: IBKRHistorySetup.name,
        keys: [
            ConfigurationKey(
                "IBKR_HISTORY_CLIENT_ID", .integer(0...Int(Int32.max)), default: "91",
                group: group,
                "The client id of a load of the past; no other client of that TWS has it."),
            ConfigurationKey(
                "IBKR_HISTORY_REQUESTS", .integer(1...58), default: "30", group: group,
                "Requests for history of a load in ten minutes; all clients together have 60."),
            ConfigurationKey(
                "IBKR_BARS", .choice(IBBarLength.allCases.map(\.rawValue)),
                default: IBBarLength.day.rawValue, group: group,
                "The length of past bars, for instruments with the feed bars."),
        ],
        rules: [HistoryKeys.rule], isRecorded: true
    ) { context in
        HistoryProvider(try IBKRHistorySetup(context.configuration), context)
    }
    .continuingAfterLast()
    .loadingPast { context, instruments, shutdown in
        try IBKRHistoryPlanner(context).plan(instruments, shutdown)
    }
}

/// The settings of a load.
struct IBKRHistorySetup: HistorySetup {
    static let name = "ibkr-history"
    var name: String { Self.name }

    let range: HistorySettings
    /// The length of bars, for instruments with them.
    let bars: IBBarLength
    private let server: IBKRSettings.Server
    var client: IBHistoryClientSettings

    init(_ configuration: Configuration) throws(SettingsError) {
        range = try HistorySettings(configuration)
        bars = IBBarLength(rawValue: configuration.text("IBKR_BARS")) ?? .day
        // The seed decides only jitter, so any number will do.
        let live = IBKRSettings(configuration, seed: UInt64.random(in: 0...UInt64.max))
        server = live.server
        var engine = live.engine
        engine.provider = Self.name
        engine.clientID = Int32(clamping: configuration.integer("IBKR_HISTORY_CLIENT_ID"))
        client = IBHistoryClientSettings(
            engine, requests: configuration.integer("IBKR_HISTORY_REQUESTS"))
    }

    func makeService() -> IBHistoryService { IBHistoryService(bars: bars) }

    func makeClient(_ waker: ProviderWake) throws -> sending IBKRPast {
        try IBKRPast(server, client, loading: range)
    }
}
