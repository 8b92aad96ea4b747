internal import CNats

/// The requests of a connection that wait for their answers.
///
/// All answers come by one subscription that lives as long as the connection; the last token of
/// their subject is the number of the request.
final class RequestTable: Sendable {
    enum Outcome: Sendable {
        case answered(NatsMessage)
        case failed(natsStatus)
    }

    private enum Slot: Sendable {
        case waiting
        case done(Outcome)
    }

    private struct State: Sendable {
        var last: UInt64 = 0
        var slots: [UInt64: Slot] = [:]
    }

    private let state = Monitor(State())

    /// Returns the number of a new request; `nil` when too many are waiting.
    func open() -> UInt64? {
        state.withLock { state in
            guard state.slots.count < NatsLimits.requestsOutstandingMax else { return nil }
            state.last += 1
            state.slots[state.last] = .waiting
            return state.last
        }
    }

    /// Waits for the outcome and removes the request. Returns `nil` when the time is up.
    func wait(_ number: UInt64, _ timeout: Duration) -> Outcome? {
        let outcome = state.wait(timeout) { state -> Outcome? in
            guard case .done(let outcome) = state.slots[number] else { return nil }
            return outcome
        }
        forget(number)
        return outcome
    }

    /// Waits for the outcome of one of these requests, and removes that one. Returns `nil` when the
    /// time is up.
    func wait(
        anyOf numbers: [UInt64], _ timeout: Duration
    ) -> (number: UInt64, outcome: Outcome)? {
        let found = state.wait(timeout) { state -> (number: UInt64, outcome: Outcome)? in
            for number in numbers {
                if case .done(let outcome) = state.slots[number] { return (number, outcome) }
            }
            return nil
        }
        if let found { forget(found.number) }
        return found
    }

    func forget(_ number: UInt64) {
        state.withLock { $0.slots[number] = nil }
    }

    /// Handles an answer. One that came too late, so that no thread waits for it, is dropped.
    func received(_ message: NatsMessage) {
        guard let token = message.subject.split(separator: ".").last,
            let number = UInt64(token)
        else { return }
        state.withLock { state in
            guard case .waiting = state.slots[number] else { return }
            state.slots[number] = .done(.answered(message))
        }
    }

    /// Fails all requests after the link or the connection is lost, because no answer can come any
    /// more.
    func failAll(_ status: natsStatus) {
        state.withLock { state in
            for (number, slot) in state.slots {
                if case .waiting = slot { state.slots[number] = .done(.failed(status)) }
            }
        }
    }

    var count: Int { state.withLock { $0.slots.count } }
}
