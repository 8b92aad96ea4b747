internal import IBEngine
internal import Primitives
internal import MarketModel

/// The provider's section of `/status`: the state of the connection and of each feed.
struct IBKRStatusPage {
    /// The most instruments in the list, those with a problem first. The counts cover all.
    static let instrumentsMax = 512
    /// The most waiting requests in the list.
    static let pacingMax = 64

    let status: IBStatus
    /// When the state was taken. It turns the engine's monotonic times into times of the calendar.
    let at: Moment

    func write(into json: inout JSONWriter) {
        json.member("state", status.state.rawValue)
        json.member("reason", status.reason)
        json.member("since", wall(status.since))
        write("next_attempt", status.nextAttempt, into: &json)
        json.member("failed_attempts", status.failures)
        json.key("server_version")
        if let version = status.serverVersion { json.value(version) } else { json.null() }
        json.member("clock_difference_seconds", Double(status.clockDifference) / 1e9)
        json.member("lines_used", status.linesUsed)
        json.member("open_outages", status.openOutages)
        json.member("waiting_backfills", status.waitingBackfills)
        json.member("as_of", at.wall.description)
        json.array("instruments") { writeInstruments(into: &$0) }
        json.array("paced") { writePacing(into: &$0) }
    }

    private func writeInstruments(into json: inout JSONWriter) {
        let troubled = status.instruments.filter(\.isTroubled)
        let others = status.instruments.filter { !$0.isTroubled }
        for instrument in (troubled + others).prefix(Self.instrumentsMax) {
            json.object { json in
                json.member("symbol", instrument.symbol)
                json.key("sizes")
                if let unit = instrument.sizes.label { json.value(unit) } else { json.null() }
                json.member("feeds", each: instrument.feeds) { feed, json in
                    json.member("feed", feed.feed.rawValue)
                    json.member("state", feed.state.rawValue)
                    json.member("delayed", feed.isDelayed)
                    json.member("reason", feed.reason)
                    write("until", feed.until, into: &json)
                }
            }
        }
    }

    private func writePacing(into json: inout JSONWriter) {
        for waiting in status.pacing.prefix(Self.pacingMax) {
            json.object { json in
                json.member("request", waiting.subject)
                json.member("priority", "\(waiting.priority)")
                json.member("reason", "\(waiting.reason)")
                write("until", waiting.until, into: &json)
            }
        }
    }

    /// Writes a moment as a time of the calendar; null when it is unknown.
    private func write(_ name: String, _ monotonic: MonotonicTime?, into json: inout JSONWriter) {
        json.key(name)
        guard let monotonic, monotonic != .never, monotonic != .distantPast else {
            return json.null()
        }
        json.value(wall(monotonic))
    }

    private func wall(_ monotonic: MonotonicTime) -> String {
        at.wall.advanced(byNanoseconds: monotonic - at.monotonic).description
    }
}

extension InstrumentStatus {
    fileprivate var isTroubled: Bool {
        if sizes.isLots { return true }
        return feeds.contains { feed in
            switch feed.state {
            case .waiting, .asked, .live, .done: false
            case .interrupted, .waitingForLines, .down, .refused: true
            }
        }
    }
}
