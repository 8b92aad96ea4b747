internal import IBProtocol
package import MarketModel
package import Primitives

extension PacingMachine {
    /// What waits for each limit.
    private struct Waits {
        var lines: [LineLimit: Int] = [:]
        var messages = 0
        var history = 0
        /// The units of the window that requests for history take together. Some take none.
        var historyUnits = 0
    }

    /// Returns the broker's limits as they are now, and what waits for each.
    package func present(_ now: MonotonicTime) -> [ProviderLimit] {
        let waits = waits(now)
        return [
            line(.lines, .marketData, waits, now), line(.tickLines, .tickByTick, waits, now),
            line(.depthLines, .depth, waits, now), messages(waits, now), history(waits, now),
            openRequests(waits, now),
        ]
    }

    private func waits(_ now: MonotonicTime) -> Waits {
        var waits = Waits()
        for entry in entries.values {
            let isHeld = entry.request.number.map { lines.holds($0) } ?? false
            if let limit = entry.request.line, !isHeld, !hasLine(limit) {
                waits.lines[limit, default: 0] += 1
            } else if let use = entry.use {
                waits.history += 1
                waits.historyUnits += history.units(of: use, now: now)
            } else {
                waits.messages += 1
            }
        }
        return waits
    }

    private func line(
        _ name: ProviderLimit.Name, _ limit: LineLimit, _ waits: Waits, _ now: MonotonicTime
    ) -> ProviderLimit {
        let waiting = waits.lines[limit] ?? 0
        let due = lineDue(limit)
        let accepted = lines.accepted(limit)
        let most = min(linesMax(limit), accepted ?? .max)
        let refusal =
            accepted.map { "TWS accepted no more than \($0); one more is tried" }
            ?? "until another subscription ends"
        return ProviderLimit(
            name, used: lines.count(limit), max: most, waiting: waiting,
            until: waiting > 0 && due > now ? due : nil, reason: waiting > 0 ? refusal : "")
    }

    private func messages(_ waits: Waits, _ now: MonotonicTime) -> ProviderLimit {
        let window = limits.messages.window.clampedNanoseconds
        let used = sentTimes.count { $0 + window > now }
        let isPunished = messageViolation.until > now
        let rounds = Int64(waits.messages / max(1, limits.messages.max))
        return ProviderLimit(
            .messages, used: used, max: limits.messages.max, waiting: waits.messages,
            until: waits.messages > 0 ? messageDue(now: now) + rounds * window : nil,
            reason: isPunished ? "TWS complained of too many messages" : "")
    }

    private func history(_ waits: Waits, _ now: MonotonicTime) -> ProviderLimit {
        let window = limits.history.window.clampedNanoseconds
        let isOver = history.used(now: now) + waits.historyUnits > limits.history.max
        let rounds = Int64(max(0, waits.historyUnits - 1) / max(1, limits.history.max))
        let room = waits.historyUnits > 0 ? history.unitsDue(1, now: now) : now
        let due = max(room, history.dueAtLeast(now: now), messageDue(now: now)) + rounds * window
        let isPunished = history.violatedUntil > now
        let reason =
            isHistoryHeld
            ? "the vendor's history is down"
            : isPunished
                ? "TWS complained of too many requests for history"
                : isOver ? "too many requests for history in ten minutes" : ""
        let isWaiting = waits.history > 0
        return ProviderLimit(
            .history, used: history.used(now: now), max: limits.history.max,
            waiting: waits.history, until: isWaiting && !isHistoryHeld ? due : nil,
            reason: isWaiting || isPunished ? reason : "")
    }

    private func openRequests(_ waits: Waits, _ now: MonotonicTime) -> ProviderLimit {
        let isFull = history.openCount >= limits.historyOpenMax
        return ProviderLimit(
            .openRequests, used: history.openCount, max: limits.historyOpenMax,
            waiting: isFull ? waits.history : 0,
            reason: isFull && waits.history > 0 ? "until TWS answers one" : "")
    }
}
