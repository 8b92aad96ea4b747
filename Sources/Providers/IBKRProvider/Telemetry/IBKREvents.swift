internal import IBEngine
internal import IBProtocol
internal import MarketModel
internal import ServiceRuntime

struct IBKRStateChanged: TelemetryEvent {
    static let name = "ibkr.state"
    let state: SessionState
    let reason: String

    var level: LogLevel { state == .ready || state == .connecting ? .info : .warning }
    var message: String {
        switch state {
        case .closed: "not connected to TWS; trying again by itself"
        case .connecting: "connecting to TWS"
        case .ready: "connected to TWS"
        case .serverLost: "TWS has lost the broker's servers; waiting for it"
        case .farmDown: "a data farm of the broker is down; waiting for it"
        case .silent: "feeds are silent in trading hours; asking for them anew"
        case .competing: "the same user watches the market somewhere else; no data until it ends"
        }
    }
    var fields: [(String, LogValue)] {
        [("state", .text(state.rawValue)), ("reason", .text(reason))]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_ibkr_state_changes_total", "a change of the connection to that state",
            labels: [("state", state.rawValue)]
        ).add()
    }
}

struct IBKRFailed: TelemetryEvent {
    static let name = "ibkr.failed"
    let failures: Int
    let reason: String
    /// True after so many failures in a row that a person should check.
    let isAlarm: Bool

    var level: LogLevel { isAlarm ? .error : .warning }
    var message: String {
        isAlarm
            ? "TWS cannot be reached: \(reason); trying on, but somebody should look"
            : "no connection to TWS: \(reason); trying again"
    }
    var fields: [(String, LogValue)] { [("failures", LogValue(failures))] }

    func count(in metrics: MetricRegistry) {
        guard !isAlarm else { return }
        metrics.counter(
            "mds_ibkr_failures_total", "an attempt that failed, or a connection that ended",
            "the log has the reason"
        ).add()
    }
}

struct IBKRNotice: TelemetryEvent {
    static let name = "ibkr.notice"
    let notice: IBNotice

    var level: LogLevel {
        switch notice.meaning.outlook {
        case .fine: .info
        case .temporary, .permanent: .warning
        }
    }
    var message: String { "TWS says: \(notice.text)" }
    var fields: [(String, LogValue)] {
        [
            ("code", LogValue(notice.code)), ("request", LogValue(notice.request)),
            ("meaning", .text(notice.meaning.label)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_ibkr_notices_total", "a notice of TWS, by what it means",
            "the event `ibkr.notice` has its text", labels: [("meaning", notice.meaning.label)]
        ).add()
    }
}

struct IBKRFeedChanged: TelemetryEvent {
    static let name = "ibkr.feed"
    let symbol: String
    let feed: String
    let state: FeedStatus.State
    let reason: String

    var level: LogLevel {
        switch state {
        case .waiting, .asked, .live, .done: .debug
        case .interrupted, .waitingForLines, .down, .refused: .warning
        }
    }
    var message: String {
        let words = "\(symbol), \(feed): \(state.rawValue)"
        return reason.isEmpty ? words : "\(words): \(reason)"
    }
    var fields: [(String, LogValue)] {
        [("symbol", .text(symbol)), ("feed", .text(feed)), ("state", .text(state.rawValue))]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_ibkr_feed_changes_total", "a change of a feed to that state",
            by: "state: as `mds_ibkr_feeds`", labels: [("state", state.rawValue)]
        ).add()
    }
}

struct IBKROutage: TelemetryEvent {
    static let name = "ibkr.outage"
    let symbol: String
    let feed: String
    /// `nil`: it has ended.
    let reason: String?

    var level: LogLevel { reason == nil ? .info : .warning }
    var message: String {
        reason.map { "\(symbol), \(feed): data are missing from here on: \($0)" }
            ?? "\(symbol), \(feed): data come again"
    }
    var fields: [(String, LogValue)] { [("symbol", .text(symbol)), ("feed", .text(feed))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_ibkr_outages_total", "an outage of a feed that began, or ended",
            by: "end: begun, ended", labels: [("end", reason == nil ? "ended" : "begun")]
        ).add()
    }
}

struct IBKRSkipped: TelemetryEvent {
    static let name = "ibkr.skipped"
    /// The type of the message.
    let id: Int32
    let fault: FieldFault

    var level: LogLevel { .warning }
    var message: String { "a message of TWS is not as its kind should be and was skipped" }
    var fields: [(String, LogValue)] { [("message", LogValue(id)), ("fault", .text("\(fault)"))] }
}

/// Prices or sizes with more digits than the tape's scale. They are reported together, at most
/// every ten seconds.
struct IBKRNumbers: TelemetryEvent {
    static let name = "ibkr.numbers"
    /// The symbol of the latest one; `nil` when it belongs to no feed.
    let symbol: String?
    let count: UInt64

    var level: LogLevel { .warning }
    var message: String {
        "\(symbol ?? "an answer of TWS"): prices or sizes have more digits than the tape's scale; "
            + "they are rounded, and left out when they are too large"
    }
    var fields: [(String, LogValue)] {
        let named = symbol.map { [("symbol", LogValue.text($0))] } ?? []
        return named + [("reason", .text("scale")), ("numbers", .unsigned(count))]
    }
}

/// The sizes of an instrument's trades are in lots, or are in shares again.
struct IBKRSizes: TelemetryEvent {
    static let name = "ibkr.sizes"
    let symbol: String
    let unit: SizeUnit

    var level: LogLevel { unit.isLots ? .error : .info }
    var message: String {
        guard case .lots(let lot) = unit else { return "\(symbol): sizes are in shares again" }
        return "\(symbol): sizes are in lots of about \(lot) shares, by the volume of the day: "
            + "switch 'Send market data in lots for US stocks' off in TWS"
    }
    var fields: [(String, LogValue)] {
        [("symbol", .text(symbol)), ("unit", .text(unit.label ?? "unknown"))]
    }
}

extension SizeUnit {
    /// The unit as logs and the status page name it; `nil`: it is not known.
    var label: String? {
        switch self {
        case .unknown: nil
        case .shares: "shares"
        case .lots(let lot): "lots of \(lot)"
        }
    }
}

/// The first delayed data in place of live ones, once per connection's thread.
struct IBKRDelayedBegin: TelemetryEvent {
    static let name = "ibkr.delayed"
    /// The first instrument.
    let symbol: String
    /// The name of the source of delayed data.
    let source: SourceName

    var level: LogLevel { .warning }
    var message: String {
        "live data of \(symbol) are refused: delayed data are recorded as source \(source), for "
            + "each instrument that is refused; IBKR_DELAYED=false takes none"
    }
    var fields: [(String, LogValue)] {
        [("symbol", .text(symbol)), ("source", .text(source.text))]
    }
}

/// Delayed ticks are left out, because their source takes no records.
struct IBKRDelayedLeftOut: TelemetryEvent {
    static let name = "ibkr.delayed_left_out"

    var level: LogLevel { .warning }
    var message: String {
        "the source of delayed data takes no records: its ticks are left out until it does, and "
            + "are in a gap record; live data continue; check the tape and the spool"
    }
}

/// A problem that no counter shows.
struct IBKRTrouble: TelemetryEvent {
    static let name = "ibkr.trouble"
    let message: String

    var level: LogLevel { .warning }
}

extension FieldFault {
    var label: String {
        switch self {
        case .missing: "missing"
        case .notANumber: "not_a_number"
        case .outOfRange: "out_of_range"
        case .notATime: "not_a_time"
        case .count: "count"
        }
    }
}

extension NoticeMeaning {
    /// One of few labels, whatever the notice contains.
    var label: String {
        switch self {
        case .clientIDInUse: "client_id_in_use"
        case .connectionLost: "connection_lost"
        case .connectionRestored: "connection_restored"
        case .platformDisconnected: "platform_disconnected"
        case .portChanged: "port_changed"
        case .farm(_, .broken): "farm_broken"
        case .farm: "farm"
        case .pacingViolation: "pacing_violation"
        case .noSuchContract: "no_such_contract"
        case .invalidRequest, .duplicateRequest: "invalid_request"
        case .nothingToCancel: "nothing_to_cancel"
        case .notSubscribed, .partlyNotSubscribed, .subscriptionMissing: "not_subscribed"
        case .delayedDataFollow: "delayed_data"
        case .tooManyLines: "too_many_lines"
        case .competingSession: "competing_session"
        case .depthReset, .depthHalted, .depthUnsupported: "depth"
        case .historyCancelled, .historyEmpty, .historyNotPermitted, .historyRefused: "history"
        case .tickByTickRefused: "tick_by_tick_refused"
        case .realTimeBarsRefused, .realTimeBarsEnded: "bars"
        case .noFundamentals: "no_fundamentals"
        case .unknown: "unknown"
        }
    }
}
