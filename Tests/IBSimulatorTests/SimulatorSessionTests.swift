import Primitives
import Testing

@testable import IBSimulator

@Suite("A client of the simulator")
struct SimulatorSessionTests {
    @Test("a greeting is answered by the lower of both versions, startApi by the account")
    func handshake() {
        var bench = Bench(version: "v157..176")
        let frames = bench.frames()
        #expect(frames[0] == ["176", "20260105 14:30:00 UTC"])
        #expect(frames[1] == ["15", "1", "DU000001"])
        #expect(frames[2] == ["9", "1", "1"])
        #expect(frames[3...].map { $0[3] } == ["2104", "2106", "2158"])
    }

    @Test("a client that is too old, or no client at all, is closed")
    func strangers() {
        var old = Bench(client: nil, version: "v100..156")
        #expect(old.bytes().isEmpty)
        #expect(old.isOver)
        var web = Bench(client: nil)
        _ = web.simulator.opened(2, now: web.now)
        web.simulator.received(Array("GET / HTTP/1.1\r\n".utf8), from: 2, now: web.now)
        #expect(web.simulator.isOver(2))
    }

    @Test("a client id in use is refused by 326, and the connection closed")
    func sameClient() {
        var bench = Bench()
        _ = bench.frames()
        _ = bench.simulator.opened(2, now: bench.now)
        let hello = Bench.greeting("v187") + Bench.frame(["71", "2", "10", ""])
        bench.simulator.received(hello, from: 2, now: bench.now)
        let count = bench.simulator.allowance(of: 2, now: bench.now)
        let text = String(decoding: bench.simulator.bytes(for: 2, count: count), as: UTF8.self)
        #expect(text.contains("\u{0}326\u{0}"))
        bench.simulator.sent(count, to: 2, now: bench.now)
        #expect(bench.simulator.isOver(2))
        #expect(!bench.isOver)
    }

    @Test("what streams is what history says afterwards")
    func streamIsHistory() {
        var bench = Bench()
        bench.askTicks(5, "SPY", kind: "AllLast")
        for _ in 0..<20 { bench.wait(seconds: 1) }
        let live = bench.frames().filter { $0[0] == "99" }
            .map { [$0[3], $0[6], $0[4], $0[5], $0[7], $0[8]] }
        bench.send(
            ["96", "6"] + Bench.stock("SPY")
                + ["0", "20260105-14:30:00", "", "1000", "TRADES", "0", "0", ""])
        let past = bench.frames().filter { $0[0] == "98" }
        #expect(past.last?.last == "1")
        let rows = past.flatMap { frame in
            stride(from: 3, to: frame.count - 1, by: 6).map { Array(frame[$0..<$0 + 6]) }
        }
        #expect(live.count > 50)
        #expect(rows == live)
    }

    @Test("a book that is followed as a list never has a hole, and stays in order")
    func book() throws {
        var bench = Bench(rate: 2_000)
        bench.send(["10", "5", "5"] + Bench.stock("SPY") + ["10", "1", ""])
        bench.wait(seconds: 9)
        var sides: [[Double]] = [[], []]
        for frame in bench.frames() where frame[0] == "13" {
            let (row, operation) = (try #require(Int(frame[3])), frame[5])
            let (side, price) = (try #require(Int(frame[6])), try #require(Double(frame[7])))
            switch operation {
            case "0":
                try #require(row <= sides[side].count)
                sides[side].insert(price, at: row)
            case "1":
                try #require(row < sides[side].count)
                sides[side][row] = price
            default:
                try #require(row < sides[side].count)
                sides[side].remove(at: row)
            }
            #expect(sides[side].count <= 10)
        }
        #expect(sides[0] == sides[0].sorted() && sides[1] == sides[1].sorted(by: >))
        #expect(sides[0].count >= 5 && sides[1].count >= 5)
    }

    @Test("bars of five seconds begin with the first whole one, and RTVolume has every print")
    func bars() {
        var bench = Bench()
        bench.send(["50", "3", "5"] + Bench.stock("SPY") + ["5", "TRADES", "0", ""])
        bench.subscribe(6, "SPY", generic: "233,375")
        bench.wait(seconds: 0.5)
        for _ in 0..<11 { bench.wait(seconds: 1) }
        let frames = bench.frames()
        let bars = frames.filter { $0[0] == "50" }
        #expect(bars.map { $0[3] } == ["1767623400", "1767623405"])
        let volumes = frames.filter { $0[0] == "46" && $0[3] == "48" }
        let reported = frames.filter { $0[0] == "46" && $0[3] == "77" }
        #expect(volumes.count > reported.count && reported.count > 10)
        // Both report the initial state, without a print.
        #expect(
            volumes.first?[4].hasPrefix(";0;") == true && volumes.first?[4] == reported.first?[4])
        // Exactly the unreported trades are left out.
        let prints = volumes.map { $0[4] }
        #expect(reported.allSatisfy { prints.contains($0[4]) })
    }

    @Test("the router of orders has the book over all exchanges, and none of its own")
    func routedBook() {
        var bench = Bench()
        _ = bench.frames()
        bench.send(["10", "5", "5"] + Bench.stock("SPY") + ["5", "0", ""])
        #expect(bench.codes() == ["10092"])
        var atExchange = Bench.stock("SPY")
        atExchange[7] = "ARCA"
        bench.send(["10", "5", "6"] + atExchange + ["5", "0", ""])
        bench.send(["10", "5", "7"] + Bench.stock("SPY") + ["5", "1", ""])
        #expect(bench.codes().isEmpty)
    }

    @Test("limits of lines, of ticks and of books have errors of their own")
    func limits() {
        var settings = SimulatorSettings()
        settings.limits.lines = 1
        settings.limits.tickByTickLines = 1
        settings.limits.depthLines = 1
        var bench = Bench(settings: settings)
        _ = bench.frames()
        for id in 0..<2 {
            bench.subscribe(10 + id, "SPY")
            bench.askTicks(20 + id, "SPY", kind: "Last")
            bench.send(["10", "5", String(30 + id)] + Bench.stock("SPY") + ["5", "1", ""])
        }
        #expect(bench.codes() == ["101", "10190", "309"])
        bench.send(["2", "2", "10"])
        bench.subscribe(12, "QQQ")
        bench.subscribe(12, "QQQ")
        bench.send(["2", "2", "99"])
        bench.subscribe(13, "NOBODY")
        #expect(bench.codes() == ["322", "300", "200"])
    }

    @Test("permissions: none, delayed when asked for, delayed whether asked for or not")
    func permissions() {
        var bench = Bench()
        _ = bench.frames()
        #expect(bench.order("permission SPY delayed") == "ok")
        bench.subscribe(1, "SPY")
        #expect(bench.codes() == ["354"])
        bench.send(["59", "1", "3"])
        bench.subscribe(2, "SPY")
        bench.wait(seconds: 3)
        let frames = bench.frames()
        #expect(frames.contains { $0[0] == "4" && $0[3] == "10167" })
        #expect(frames.contains { $0[0] == "58" && $0[3] == "3" })
        #expect(!frames.contains { $0[0] == "1" && $0[3] == "1" })
        let seconds = frames.filter { $0[0] == "46" && $0[3] == "88" }.compactMap { Int64($0[4]) }
        #expect(!seconds.isEmpty)
        #expect(seconds.allSatisfy { $0 <= 1_767_623_400 - 897 })
        #expect(bench.order("shift SPY live") == "ok")
        bench.wait(seconds: 3)
        let live = bench.frames()
        #expect(live.contains { $0[0] == "58" && $0[2] == "2" && $0[3] == "1" })
        #expect(live.contains { $0[0] == "1" && $0[3] == "1" })
        #expect(!live.contains { $0[0] == "1" && $0[3] == "66" })
        #expect(bench.order("permission SPY none") == "ok")
        bench.subscribe(3, "SPY")
        bench.askTicks(4, "SPY", kind: "Last")
        #expect(bench.codes() == ["10168", "10189"])
    }

    @Test("50 requests a second, and the connection goes after three complaints")
    func rate() {
        var bench = Bench()
        _ = bench.frames()
        for _ in 0..<200 { bench.send(["49", "1"]) }
        #expect(bench.codes() == ["100", "100", "100"])
        #expect(bench.isOver)
    }

    @Test("history: identical, six of one contract, and sixty in ten minutes")
    func pacing() {
        var watch = PacingWatch()
        var now = Bench.start
        func ask(_ key: String, _ contract: String, double: Bool = false) -> String? {
            watch.problem(key: key, contract: contract, isBidAsk: double, at: now)
        }
        #expect(ask("a", "A") == nil)
        #expect(ask("a", "A")?.contains("identical") == true)
        for key in ["b", "c", "d", "e"] { #expect(ask(key, "A") == nil) }
        #expect(ask("f", "A")?.contains("6 requests") == true)
        for number in 0..<27 {
            now = now.advanced(byNanoseconds: 3_000_000_000)
            #expect(ask("x\(number)", "B", double: true) == nil)
        }
        now = now.advanced(byNanoseconds: 3_000_000_000)
        #expect(ask("y", "B") == nil)
        #expect(ask("z", "B", double: true)?.contains("60 requests") == true)
        now = now.advanced(byNanoseconds: 600_000_000_000)
        #expect(ask("z", "B", double: true) == nil)
    }
}
