internal import MarketModel
internal import Primitives
internal import StreamCore

/// Bars that end with a tick: all of a session's ticks in order, cut where a sum is reached.
struct OracleNumbers {
    /// Returns the trading session of a time, or its UTC day without a calendar.
    static func session(of time: Int64, _ calendar: SessionCalendar?) -> OracleWindow? {
        guard let calendar else {
            let day: Int64 = 86_400_000_000_000
            let start = OracleWindow.floor(time, day)
            return OracleWindow(start: start, end: start + day)
        }
        return calendar.sessions.first { $0.open <= time && time < $0.close }
            .map { OracleWindow(start: $0.open, end: $0.close) }
    }

    static func bars(
        of entries: [OracleEntry], _ rule: WindowRule, _ calendar: SessionCalendar?,
        isCut: (Int64) -> Bool
    ) -> [Bar] {
        let sessions = Dictionary(grouping: entries) { session(of: $0.tick.time, calendar) }
        return sessions.flatMap { session, entries in
            guard let session else { return [Bar]() }
            return bars(
                ofSession: entries.sorted(by: isBefore), rule, isCut: isCut(session.start))
        }
    }

    /// Orders entries. An excluded tick has no ordinal of its own within its nanosecond.
    private static func isBefore(_ left: OracleEntry, _ right: OracleEntry) -> Bool {
        func place(_ entry: OracleEntry) -> (Int64, SourceName, UInt64) {
            (
                entry.tick.time, entry.tick.id.source,
                entry.isTick ? entry.tick.id.ordinal : 0
            )
        }
        return place(left) < place(right)
    }

    private static func bars(
        ofSession entries: [OracleEntry], _ rule: WindowRule, isCut: Bool
    ) -> [Bar] {
        var bars: [Bar] = []
        var group: [OracleEntry] = []
        func end(isLast: Bool) {
            let times = group.filter(\.hasEffect).map(\.tick.time)
            guard let first = times.min(), let last = times.max(),
                var bar = OracleFold.bar(of: group, from: first, to: last + 1), bar.trades > 0
            else { return }
            bar.number = Int64(bars.count)
            if isLast || bars.isEmpty && isCut { bar.flags.insert(.partial) }
            bars.append(bar)
            group = []
        }
        for entry in entries {
            group.append(entry)
            if isFull(group, rule) { end(isLast: false) }
        }
        end(isLast: true)
        return bars
    }

    private static func isFull(_ group: [OracleEntry], _ rule: WindowRule) -> Bool {
        guard let bar = OracleFold.bar(of: group, from: 0, to: 1), bar.trades > 0 else {
            return false
        }
        switch rule {
        case .ticks(let count): return bar.trades >= UInt64(count)
        case .volume(let size): return bar.volume >= Int128(size)
        case .dollars(let size): return bar.notional >= Int128(size) * 1_000_000_000
        case .tumbling, .sliding, .session, .inactivity: return false
        }
    }
}
