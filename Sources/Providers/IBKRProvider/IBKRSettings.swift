internal import IBEngine
internal import Primitives
internal import ServiceRuntime

/// The settings of the provider `ibkr`: the address of TWS, and those of the engine.
struct IBKRSettings: Sendable {
    struct Server: Hashable, Sendable {
        var host: String
        var port: UInt16
        /// How long one attempt to connect may take, including the look-up of the name, in
        /// nanoseconds.
        var connectTimeout: Int64
        /// How long bytes may wait for a server that reads nothing, in nanoseconds. Then the
        /// connection is treated as lost.
        var sendTimeout: Int64 = .seconds(10)

        /// The two times, for people.
        var connectText: String { Self.text(connectTimeout) }
        var sendText: String { Self.text(sendTimeout) }

        private static func text(_ nanoseconds: Int64) -> String {
            "\(Double(nanoseconds / 1_000_000) / 1_000) s"
        }
    }

    var server: Server
    var engine: IBEngineSettings

    /// `seed`: for the random part of the waits between attempts, so that many clients do not
    /// reconnect at the same time.
    init(_ configuration: Configuration, seed: UInt64) {
        server = Server(
            host: configuration.text("IBKR_HOST"),
            port: UInt16(clamping: configuration.integer("IBKR_PORT")),
            connectTimeout: configuration.duration("IBKR_CONNECT_TIMEOUT").clampedNanoseconds)
        engine = IBEngineSettings(
            provider: IBKRProvider.providerName,
            clientID: Int32(clamping: configuration.integer("IBKR_CLIENT_ID")), seed: seed)
        engine.delayed = DelayedData(rawValue: configuration.text("IBKR_DELAYED")) ?? .never
        engine.lines = configuration.integer("IBKR_LINES")
        engine.tickByTickLines = configuration.integer("IBKR_TICK_LINES")
        engine.silentAfter = configuration.duration("IBKR_SILENT_AFTER")
        engine.canBackfill = configuration.flag("IBKR_BACKFILL")
        engine.depthRows = Int32(clamping: configuration.integer("IBKR_DEPTH_ROWS"))
        engine.reconnectFirst = configuration.duration("IBKR_RECONNECT_FIRST")
        engine.reconnectMax = configuration.duration("IBKR_RECONNECT_MAX")
        engine.alarmAttempts = configuration.integer("IBKR_ALARM_ATTEMPTS")
        let region = AccountRegion(rawValue: configuration.text("IBKR_REGION"))
        if let region { engine.region = region }
    }
}
