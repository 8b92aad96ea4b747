internal import IBEngine
internal import Primitives
internal import ServiceRuntime

/// Where TWS is and what may be asked of it.
struct IBKRSettings: Sendable {
    struct Server: Hashable, Sendable {
        var host: String
        var port: UInt16
        /// Nanoseconds for one attempt, the look-up of the name included.
        var connectTimeout: Int64
        /// Nanoseconds that bytes may wait for a server that reads nothing.
        var sendTimeout: Int64 = 10_000_000_000

        var connectText: String { Self.text(connectTimeout) }
        var sendText: String { Self.text(sendTimeout) }

        private static func text(_ nanoseconds: Int64) -> String {
            "\(Double(nanoseconds / 1_000_000) / 1_000) s"
        }
    }

    var server: Server
    var engine: IBEngineSettings

    /// `seed`: of the jitter between attempts, so that many clients do not come back at once.
    init(_ configuration: Configuration, seed: UInt64) {
        server = Server(
            host: configuration.text("IBKR_HOST"),
            port: UInt16(clamping: configuration.integer("IBKR_PORT")),
            connectTimeout: configuration.duration("IBKR_CONNECT_TIMEOUT").clampedNanoseconds)
        engine = IBEngineSettings(
            provider: IBKRProvider.providerName,
            clientID: Int32(clamping: configuration.integer("IBKR_CLIENT_ID")), seed: seed)
        engine.isDelayed = configuration.flag("IBKR_DELAYED")
        engine.lines = configuration.integer("IBKR_LINES")
        engine.tickByTickLines = configuration.integer("IBKR_TICK_LINES")
        engine.silentAfter = configuration.duration("IBKR_SILENT_AFTER")
        engine.canBackfill = configuration.flag("IBKR_BACKFILL")
        let region = AccountRegion(rawValue: configuration.text("IBKR_REGION"))
        if let region { engine.region = region }
    }
}
