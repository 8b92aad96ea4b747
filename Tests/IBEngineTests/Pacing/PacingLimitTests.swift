import IBEngine
import IBProtocol
import MarketModel
import Primitives
import Testing

@Suite("What the broker's limits say of themselves")
struct PacingLimitTests {
    /// Returns a machine that was asked for these, and has sent what it could at 0.
    private static func machine(
        _ requests: [IBRequest], _ change: (inout PacingLimits) -> Void = { _ in }
    ) -> PacingMachine {
        var machine = PacingMachine(change)
        machine.ask(requests, .live)
        _ = machine.taken(0)
        return machine
    }

    private static func expect(
        _ limit: ProviderLimit, of machine: PacingMachine, at seconds: Double = 0,
        place: SourceLocation = #_sourceLocation
    ) {
        let found = machine.present(at(seconds)).first { $0.name == limit.name }
        #expect(found == limit, sourceLocation: place)
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
        Self.expect(
            ProviderLimit(
                .lines, used: 2, max: 2, waiting: 3, reason: "until another subscription ends"),
            of: machine)
        #expect(Self.limit(.messages, of: machine, at: 0)?.waiting == 0)
    }

    @Test("after a refusal of a line the limit is what TWS accepted, until one more is tried")
    func refusedLine() {
        var machine = Self.machine((1...3).map(line))
        _ = machine.ask(line(4), .live, now: at(1))
        machine.refusedLine(id: 3, .marketData, now: at(1))
        Self.expect(
            ProviderLimit(
                .lines, used: 2, max: 2, waiting: 1, until: at(2),
                reason: "TWS accepted no more than 2; one more is tried"), of: machine, at: 1)
    }

    @Test(
        "messages: the last of so many leaves after so many full windows",
        arguments: [(45, 45, 0, nil), (46, 45, 1, 1.2), (135, 45, 90, 3.6), (136, 45, 91, 3.6)])
    func messages(_ asked: Int32, _ used: Int, _ waiting: Int, _ until: Double?) {
        let machine = Self.machine(
            (1...asked).map { .contractDetails(id: $0, Contract(.stock, "S\($0)")) })
        Self.expect(
            ProviderLimit(.messages, used: used, max: 45, waiting: waiting, until: until.map(at)),
            of: machine)
        #expect(Self.limit(.messages, of: machine, at: 1.2)?.used == 0)
    }

    @Test("a complaint about messages is the reason, and its end the time")
    func complaint() {
        var machine = Self.machine([])
        machine.violated(.messages, now: at(0))
        _ = machine.ask(line(1), .live, now: at(0))
        Self.expect(
            ProviderLimit(
                .messages, used: 0, max: 45, waiting: 1, until: at(15),
                reason: "TWS complained of too many messages"), of: machine, at: 1)
    }

    @Test("history: units of ten minutes, open requests, and how long all that waits takes")
    func history() {
        let machine = Self.machine((1...9).map { ticks($0) }) {
            $0.history.max = 3
            $0.historyOpenMax = 3
        }
        // Nine units are three windows: the last leaves after two more.
        Self.expect(
            ProviderLimit(
                .history, used: 3, max: 3, waiting: 6, until: at(605 + 605),
                reason: "too many requests for history in ten minutes"), of: machine)
        Self.expect(
            ProviderLimit(
                .openRequests, used: 3, max: 3, waiting: 6, reason: "until TWS answers one"),
            of: machine)
        #expect(Self.limit(.history, of: machine, at: 605)?.used == 0)
    }

    @Test("while the vendor's history is down, no time is known")
    func held() {
        var machine = Self.machine([])
        machine.holdHistory(true, now: at(0))
        _ = machine.ask(ticks(1), .backfill, now: at(0))
        Self.expect(
            ProviderLimit(
                .history, used: 0, max: 58, waiting: 1, reason: "the vendor's history is down"),
            of: machine)
    }
}
