import IBEngine
import IBProtocol
import MarketModel
import Primitives
import Testing

/// Monotonic nanoseconds.
private func at(_ seconds: Double) -> MonotonicTime { .at(Int64(seconds * 1_000_000_000)) }

private func ticks(_ id: Int32) -> IBRequest {
    var request = HistoryTicksRequest()
    request.start = .at(Timestamp(nanoseconds: Int64(id) * 1_000_000_000))
    return .historyTicks(id: id, Contract(.stock, "S\(id)"), request)
}

private func line(_ id: Int32) -> IBRequest {
    .marketData(id: id, Contract(.stock, "S\(id)"), MarketDataRequest())
}

@Suite("What the broker's limits say of themselves")
struct PacingLimitTests {
    /// Returns a machine that was asked for these, and has sent what it could at 0.
    private static func machine(
        _ requests: [IBRequest], _ change: (inout PacingLimits) -> Void = { _ in }
    ) -> PacingMachine {
        var limits = PacingLimits()
        change(&limits)
        var machine = PacingMachine(limits)
        let areTaken = requests.map { machine.ask($0, .live, now: at(0)) }
        #expect(areTaken.allSatisfy { $0 })
        var sent: [IBRequest] = []
        machine.take(now: at(0), into: &sent)
        return machine
    }

    private static func limit(
        _ name: ProviderLimit.Name, of machine: PacingMachine, at seconds: Double
    ) -> ProviderLimit? {
        machine.present(at(seconds)).first { $0.name == name }
    }

    @Test("nothing is used, and nothing waits")
    func idle() {
        #expect(
            Self.machine([]).present(at(0)) == [
                ProviderLimit(.lines, used: 0, max: 100),
                ProviderLimit(.tickLines, used: 0, max: 5),
                ProviderLimit(.depthLines, used: 0, max: 3),
                ProviderLimit(.messages, used: 0, max: 45),
                ProviderLimit(.history, used: 0, max: 58),
                ProviderLimit(.openRequests, used: 0, max: 50),
            ])
    }

    @Test("subscriptions without a line wait for another one's end, of which no time is known")
    func lines() {
        let machine = Self.machine((1...5).map(line)) { $0.lines.marketData = 2 }
        #expect(
            Self.limit(.lines, of: machine, at: 0)
                == ProviderLimit(
                    .lines, used: 2, max: 2, waiting: 3, reason: "until another subscription ends"))
        #expect(Self.limit(.messages, of: machine, at: 0)?.waiting == 0)
    }

    @Test("after a refusal of a line the limit is what TWS accepted, until one more is tried")
    func refusedLine() {
        var machine = Self.machine((1...3).map(line))
        _ = machine.ask(line(4), .live, now: at(1))
        machine.refusedLine(id: 3, .marketData, now: at(1))
        #expect(
            Self.limit(.lines, of: machine, at: 1)
                == ProviderLimit(
                    .lines, used: 2, max: 2, waiting: 1, until: at(2),
                    reason: "TWS accepted no more than 2; one more is tried"))
    }

    @Test(
        "messages: the last of so many leaves after so many full windows",
        arguments: [(45, 45, 0, nil), (46, 45, 1, 1.2), (135, 45, 90, 3.6), (136, 45, 91, 3.6)])
    func messages(_ asked: Int32, _ used: Int, _ waiting: Int, _ until: Double?) {
        let machine = Self.machine(
            (1...asked).map { .contractDetails(id: $0, Contract(.stock, "S\($0)")) })
        #expect(
            Self.limit(.messages, of: machine, at: 0)
                == ProviderLimit(
                    .messages, used: used, max: 45, waiting: waiting, until: until.map(at)))
        #expect(Self.limit(.messages, of: machine, at: 1.2)?.used == 0)
    }

    @Test("a complaint about messages is the reason, and its end the time")
    func complaint() {
        var machine = Self.machine([])
        machine.violated(.messages, now: at(0))
        _ = machine.ask(line(1), .live, now: at(0))
        #expect(
            Self.limit(.messages, of: machine, at: 1)
                == ProviderLimit(
                    .messages, used: 0, max: 45, waiting: 1, until: at(15),
                    reason: "TWS complained of too many messages"))
    }

    @Test("history: units of ten minutes, open requests, and how long all that waits takes")
    func history() {
        let machine = Self.machine((1...9).map(ticks)) {
            $0.history.max = 3
            $0.historyOpenMax = 3
        }
        // Nine units are three windows: the last leaves after two more.
        #expect(
            Self.limit(.history, of: machine, at: 0)
                == ProviderLimit(
                    .history, used: 3, max: 3, waiting: 6, until: at(605 + 605),
                    reason: "too many requests for history in ten minutes"))
        #expect(
            Self.limit(.openRequests, of: machine, at: 0)
                == ProviderLimit(
                    .openRequests, used: 3, max: 3, waiting: 6, reason: "until TWS answers one"))
        #expect(Self.limit(.history, of: machine, at: 605)?.used == 0)
    }

    @Test("while the vendor's history is down, no time is known")
    func held() {
        var machine = Self.machine([])
        machine.holdHistory(true, now: at(0))
        _ = machine.ask(ticks(1), .backfill, now: at(0))
        #expect(
            Self.limit(.history, of: machine, at: 0)
                == ProviderLimit(
                    .history, used: 0, max: 58, waiting: 1, reason: "the vendor's history is down"))
    }
}
