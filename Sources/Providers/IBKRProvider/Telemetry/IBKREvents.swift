internal import IBEngine
internal import IBProtocol
internal import MarketModel
internal import ServiceRuntime

extension ServiceEvent {
    static func ibkrStateChanged(state: SessionState, reason: String) -> Self {
        let message: String =
            switch state {
            case .closed: "not connected to TWS; trying again by itself"
            case .connecting: "connecting to TWS"
            case .ready: "connected to TWS"
            case .serverLost: "TWS has lost the broker's servers; waiting for it"
            case .farmDown: "a data farm of the broker is down; waiting for it"
            case .silent: "feeds are silent in trading hours; asking for them anew"
            case .competing:
                "the same user watches the market somewhere else; no data until it ends"
            }
        return Self(
            state == .ready || state == .connecting ? .info : .warning, "ibkr.state", message,
            ("state", .text(state.rawValue)), ("reason", .text(reason))
        ).counting(
            "mds_ibkr_state_changes_total", "a change of the connection to that state",
            labels: [("state", state.rawValue)])
    }

    /// `isAlarm`: true after so many failures in a row that a person should check.
    static func ibkrFailed(failures: Int, reason: String, isAlarm: Bool) -> Self {
        Self(
            isAlarm ? .error : .warning, "ibkr.failed",
            isAlarm
                ? "TWS cannot be reached: \(reason); trying on, but somebody should look"
                : "no connection to TWS: \(reason); trying again",
            ("failures", LogValue(failures))
        ) {
            guard !isAlarm else { return }
            $0.counter(
                "mds_ibkr_failures_total", "an attempt that failed, or a connection that ended",
                "the log has the reason"
            ).add()
        }
    }

    static func ibkrNotice(notice: IBNotice) -> Self {
        let level: LogLevel =
            switch notice.meaning.outlook {
            case .fine: .info
            case .temporary, .permanent: .warning
            }
        return Self(
            level, "ibkr.notice", "TWS says: \(notice.text)",
            ("code", LogValue(notice.code)), ("request", LogValue(notice.request)),
            ("meaning", .text(notice.meaning.label))
        ).counting(
            "mds_ibkr_notices_total", "a notice of TWS, by what it means",
            "the event `ibkr.notice` has its text", labels: [("meaning", notice.meaning.label)])
    }

    static func ibkrFeedChanged(
        symbol: String, feed: String, state: FeedStatus.State, reason: String
    ) -> Self {
        let level: LogLevel =
            switch state {
            case .waiting, .asked, .live, .done: .debug
            case .interrupted, .waitingForLines, .down, .refused: .warning
            }
        let words = "\(symbol), \(feed): \(state.rawValue)"
        return Self(
            level, "ibkr.feed", reason.isEmpty ? words : "\(words): \(reason)",
            ("symbol", .text(symbol)), ("feed", .text(feed)), ("state", .text(state.rawValue))
        ).counting(
            "mds_ibkr_feed_changes_total", "a change of a feed to that state",
            by: "state: as `mds_ibkr_feeds`", labels: [("state", state.rawValue)])
    }

    /// `reason`: `nil`: it has ended.
    static func ibkrOutage(symbol: String, feed: String, reason: String?) -> Self {
        Self(
            reason == nil ? .info : .warning, "ibkr.outage",
            reason.map { "\(symbol), \(feed): data are missing from here on: \($0)" }
                ?? "\(symbol), \(feed): data come again",
            ("symbol", .text(symbol)), ("feed", .text(feed))
        ).counting(
            "mds_ibkr_outages_total", "an outage of a feed that began, or ended",
            by: "end: begun, ended", labels: [("end", reason == nil ? "ended" : "begun")])
    }

    /// `id`: the type of the message.
    static func ibkrSkipped(id: Int32, fault: FieldFault) -> Self {
        Self(
            .warning, "ibkr.skipped",
            "a message of TWS is not as its kind should be and was skipped",
            ("message", LogValue(id)), ("fault", .text("\(fault)")))
    }

    /// Prices or sizes with more digits than the tape's scale. They are reported together, at most
    /// every ten seconds. `symbol`: that of the latest one; `nil` when it belongs to no feed.
    static func ibkrNumbers(symbol: String?, count: UInt64) -> Self {
        let named = symbol.map { [("symbol", LogValue.text($0))] } ?? []
        return Self(
            .warning, "ibkr.numbers",
            "\(symbol ?? "an answer of TWS"): prices or sizes have more digits than the tape's "
                + "scale; they are rounded, and left out when they are too large",
            fields: named + [("reason", .text("scale")), ("numbers", .unsigned(count))])
    }

    /// The sizes of an instrument's trades are in lots, or are in shares again.
    static func ibkrSizes(symbol: String, unit: SizeUnit) -> Self {
        var message = "\(symbol): sizes are in shares again"
        if case .lots(let lot) = unit {
            message =
                "\(symbol): sizes are in lots of about \(lot) shares, by the volume of the day: "
                + "switch 'Send market data in lots for US stocks' off in TWS"
        }
        return Self(
            unit.isLots ? .error : .info, "ibkr.sizes", message,
            ("symbol", .text(symbol)), ("unit", .text(unit.label ?? "unknown")))
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

extension ServiceEvent {
    /// The first delayed data in place of live ones, once per connection's thread.
    /// `symbol`: the first instrument.
    /// `source`: the name of the source of delayed data.
    static func ibkrDelayedBegin(symbol: String, source: SourceName) -> Self {
        Self(
            .warning, "ibkr.delayed",
            "live data of \(symbol) are refused: delayed data are recorded as source \(source), "
                + "for each instrument that is refused; IBKR_DELAYED=false takes none",
            ("symbol", .text(symbol)), ("source", .text(source.text)))
    }

    /// Delayed ticks are left out, because their source takes no records.
    static func ibkrDelayedLeftOut() -> Self {
        Self(
            .warning, "ibkr.delayed_left_out",
            "the source of delayed data takes no records: its ticks are left out until it does, "
                + "and are in a gap record; live data continue; check the tape and the spool")
    }

    /// A problem that no counter shows.
    static func ibkrTrouble(message: String) -> Self {
        Self(.warning, "ibkr.trouble", message)
    }
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
