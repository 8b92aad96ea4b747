import EngineKit
import IBEngine
import IBProtocol
import IBSimulator
import MarketModel
import Primitives
import Testing

@Suite("The client that asks a TWS for its past")
struct IBHistoryClientTests {
    @Test("no more requests leave than the share of the account's limit")
    func share() throws {
        var bench = HistoryBench(
            ["AAPL", "MSFT", "JPM"], rate: 2_400, seed: 4, seconds: 0..<60, requests: 6)
        try bench.begin()
        var sent: [(time: Int64, count: UInt64)] = []
        for _ in 0..<5_000 where bench.history.phase == .loading {
            let before = bench.client.requests
            bench.turn()
            let count = bench.client.requests - before
            if count > 0 { sent.append((bench.now.monotonic.nanoseconds, count)) }
        }
        #expect(bench.loaded(0) == bench.traded(0) && bench.problems.isEmpty)
        // Two of each symbol are not counted: its contract, and bars of a minute.
        let span = 600 * HistoryBench.second
        for first in sent {
            let within = sent.filter { $0.time >= first.time && $0.time < first.time + span }
            let count = within.reduce(0) { $0 + $1.count }
            #expect(count <= 6 + 6)
        }
        let all = sent.reduce(0) { $0 + $1.count }
        #expect(all > 20)
    }

    @Test(
        "what keeps TWS from answering is said, and waited for",
        arguments: [
            ("farm history down", "farm history up", "HMDS"), ("lost", "restored keep", "1100"),
            ("stall 200", "", "the connection is dead"), ("close", "", "TWS ended"),
            ("pacing-error 1", "", "pacing violation"),
        ])
    func waits(fault: String, end: String, words: String) throws {
        var bench = HistoryBench(["AAPL"], rate: 600, seed: 4, seconds: 0..<60)
        try bench.begin()
        for _ in 0..<1_000 where bench.client.requests < 3 { bench.turn() }
        _ = bench.simulator.control(fault, now: bench.now.wall)
        for _ in 0..<1_000 where bench.problems.isEmpty { bench.turn() }
        #expect(bench.problems.first?.contains(words) == true, "\(bench.problems)")
        if !end.isEmpty { _ = bench.simulator.control(end, now: bench.now.wall) }
        bench.run()
        #expect(bench.history.phase == .finished && bench.loaded(0) == bench.traded(0))
    }

    @Test("a question that TWS does not answer is given up, and cancelled")
    func mute() {
        var client = IBHistoryClient(
            IBHistoryClientSettings(IBEngineSettings(clientID: 91, seed: 1), requests: 30))
        var out = IBHistoryClient.Output()
        func moment(_ second: Int64) -> Moment {
            Moment(
                wall: Timestamp(nanoseconds: (HistoryBench.first + second) * HistoryBench.second),
                monotonic: MonotonicTime(nanoseconds: second * HistoryBench.second))
        }
        func receive(_ fields: [String], at second: Int64) {
            ServerMessages.frame(fields).withRawSpan {
                client.received($0, moment(second), into: &out)
            }
        }
        client.begin(moment(0))
        client.timePassed(moment(0), into: &out)
        client.connected(moment(0), into: &out)
        receive(["176", "20260105 09:30:00 EST"], at: 0)
        receive(["9", "1", "1"], at: 0)
        receive(["15", "1", "DU1"], at: 0)
        let number = client.ask(
            .trades(Contract(.stock, "AAPL"), .trades, seconds: 1_780_000_000..<1_780_000_100))
        for second in stride(from: Int64(0), through: 90, by: 5) {
            client.timePassed(moment(second), into: &out)
            // It is there, and answers other questions.
            receive(["49", "1", "\(HistoryBench.first + second)"], at: second)
            #expect(out.replies.isEmpty || second == 90)
        }
        client.timePassed(moment(91), into: &out)
        #expect(out.replies.first?.number == number)
        #expect(out.replies.first?.reply == .failed("TWS did not answer in 90 s"))
        let cancel = ServerMessages.frame(["25", "1", "1"])
        let isCancelled = out.bytes.indices.contains { out.bytes[$0...].starts(with: cancel) }
        #expect(isCancelled)
        // What comes now is too late.
        receive(["98", "1", "0", "1"], at: 92)
        #expect(out.replies.count == 1)
    }

    @Test("a client id that another program has is named")
    func clientID() throws {
        var bench = HistoryBench(["AAPL"], rate: 60, seed: 4, seconds: 0..<10)
        _ = bench.simulator.control("refuse-client-id on", now: bench.now.wall)
        try bench.begin()
        for _ in 0..<1_000 where bench.problems.isEmpty { bench.turn() }
        #expect(bench.problems.first?.contains("client id 90 is in use") == true)
        _ = bench.simulator.control("refuse-client-id off", now: bench.now.wall)
        bench.run()
        #expect(bench.loaded(0) == bench.traded(0))
    }
}
