import Primitives
import Testing

@testable import IBSimulator

@Suite("Faults of the simulator, by command")
struct FaultTests {
    private func streaming() -> Bench {
        var bench = Bench()
        bench.askTicks(5, "SPY", kind: "AllLast")
        bench.wait(seconds: 2)
        _ = bench.frames()
        _ = bench.simulator.takeTruth()
        return bench
    }

    private func truth(_ bench: inout Bench) -> Int {
        bench.simulator.takeTruth().count { $0 == UInt8(ascii: "\n") }
    }

    @Test("a close leaves in the log only what went out")
    func close() {
        var bench = streaming()
        bench.wait(seconds: 1)
        #expect(bench.order("close") == "ok")
        #expect(bench.bytes().isEmpty)
        #expect(bench.isOver)
        #expect(truth(&bench) == 0)
    }

    @Test("a close after so many bytes counts the message that it cut as not sent")
    func closeAfter() {
        var bench = streaming()
        #expect(bench.order("close-after 100") == "ok")
        bench.wait(seconds: 3)
        let frames = bench.frames()
        #expect(bench.isOver)
        #expect(frames.count > 0)
        #expect(truth(&bench) == frames.count)
    }

    @Test("the truth log can be ended, and go on")
    func truthSwitch() {
        var bench = streaming()
        #expect(bench.order("truth off") == "ok")
        bench.wait(seconds: 2)
        #expect(bench.frames().count > 0)
        #expect(truth(&bench) == 0)
        #expect(bench.order("truth on") == "ok")
        bench.wait(seconds: 2)
        let sent = bench.frames().count
        #expect(sent > 0)
        #expect(truth(&bench) == sent)
        #expect(bench.order("truth perhaps").hasPrefix("error"))
    }

    @Test("half a frame is the end")
    func halfFrame() {
        var bench = streaming()
        #expect(bench.order("half-frame") == "ok")
        bench.wait(seconds: 1)
        let bytes = bench.bytes()
        #expect(!bytes.isEmpty)
        #expect(bytes.count < 60)
        #expect(bench.isOver)
        #expect(truth(&bench) == 0)
    }

    @Test("a stall holds everything back and lets it go afterwards; bytes may go one by one")
    func stall() {
        var bench = streaming()
        #expect(bench.order("stall 5") == "ok")
        bench.wait(seconds: 4)
        #expect(bench.bytes().isEmpty)
        bench.wait(seconds: 2)
        #expect(bench.order("byte-at-a-time on") == "ok")
        #expect(bench.simulator.allowance(of: 1, now: bench.now) == 1)
        #expect(bench.frames().count > 20)
    }

    @Test("garbage is no message and not in the log")
    func garbage() {
        var bench = streaming()
        #expect(bench.order("garbage 50") == "ok")
        #expect(bench.bytes().count == 50)
        #expect(truth(&bench) == 0)
    }

    @Test("late, doubled and overtaken ticks are the same ticks")
    func ticks() {
        var bench = streaming()
        var calm = streaming()
        #expect(bench.order("late 3") == "ok")
        #expect(bench.order("duplicate 2") == "ok")
        #expect(bench.order("reorder 2") == "ok")
        for _ in 0..<10 {
            bench.wait(seconds: 1)
            calm.wait(seconds: 1)
        }
        let (disturbed, plain) = (bench.frames(), calm.frames())
        #expect(disturbed.count == plain.count + 2)
        #expect(Set(disturbed) == Set(plain))
        #expect(disturbed != plain)
        #expect(!disturbed.prefix(3).contains(plain[0]))
    }

    @Test("1100 is silence; 1102 goes on, 1101 has forgotten what was subscribed")
    func lostServer() {
        var bench = streaming()
        #expect(bench.order("lost") == "ok")
        bench.wait(seconds: 2)
        #expect(bench.codes() == ["1100"])
        #expect(bench.order("restored keep") == "ok")
        bench.wait(seconds: 2)
        #expect(bench.frames().contains { $0[0] == "99" })
        #expect(bench.order("lost") == "ok")
        #expect(bench.order("restored lose") == "ok")
        bench.wait(seconds: 2)
        #expect(bench.frames().map { $0[0] == "4" ? $0[3] : $0[0] } == ["1100", "1101"])
    }

    @Test("farms, a silent feed and a competing session stop data, each in its own way")
    func quietFeeds() {
        var bench = streaming()
        #expect(bench.order("farm market down") == "ok")
        bench.wait(seconds: 2)
        #expect(bench.codes() == ["2103"])
        #expect(bench.order("farm market up") == "ok")
        #expect(bench.order("stop SPY") == "ok")
        bench.wait(seconds: 2)
        #expect(bench.codes() == ["2104"])
        #expect(bench.order("start SPY") == "ok")
        #expect(bench.order("competing all on") == "ok")
        bench.wait(seconds: 2)
        #expect(bench.codes() == ["10197"])
        #expect(bench.order("competing SPY off") == "ok")
        bench.wait(seconds: 2)
        #expect(bench.frames().contains { $0[0] == "99" })
        #expect(bench.order("stop NOBODY").hasPrefix("error: no instrument"))
        #expect(bench.order("farm history down") == "ok")
        bench.send(
            ["96", "6"] + Bench.stock("SPY") + ["0", "20260105-14:30:00", "", "9", "TRADES"]
                + ["0", "0", ""])
        #expect(bench.codes() == ["2105", "10187"])
    }

    @Test("live sizes come in lots on command, and the volume of the day in shares")
    func lots() {
        var bench = Bench()
        bench.subscribe(5, "SPY")
        #expect(bench.order("lots SPY on") == "ok")
        bench.wait(seconds: 20)
        let sizes = bench.frames().filter { $0[0] == "2" && ["5", "8"].contains($0[3]) }
        let volume = sizes.last { $0[3] == "8" }.flatMap { Int($0[4]) } ?? 0
        let lots = sizes.filter { $0[3] == "5" }.compactMap { Int($0[4]) }.reduce(0, +)
        // Odd lots and unreported trades are in the volume alone.
        #expect(lots > 50 && volume > 100 * lots && volume < 140 * lots, "\(volume), \(lots)")
        #expect(bench.order("lots all off") == "ok")
        bench.wait(seconds: 5)
        #expect(bench.frames().contains { $0[0] == "2" && $0[3] == "5" && $0[4] == "100" })
        #expect(bench.order("lots NOBODY on").hasPrefix("error: no instrument"))
    }

    @Test(
        "a nightly reset closes everybody and lets nobody in for its time",
        arguments: ["nightly-reset", "down"])
    func nightlyReset(command: String) {
        var bench = streaming()
        #expect(bench.order("\(command) 10") == "ok")
        #expect(bench.codes() == ["1100"])
        #expect(bench.isOver)
        let isLetIn = bench.simulator.opened(2, now: bench.now)
        #expect(!isLetIn)
        bench.wait(seconds: 11)
        let isLetInLater = bench.simulator.opened(2, now: bench.now)
        #expect(isLetInLater)
    }

    @Test("books are reset and halted with their requests' numbers")
    func books() {
        var bench = Bench()
        bench.send(["10", "5", "5"] + Bench.stock("SPY") + ["5", "1", ""])
        _ = bench.frames()
        #expect(bench.order("reset-depth") == "ok")
        let frames = bench.frames()
        #expect(frames[0].prefix(4) == ["4", "2", "5", "317"])
        #expect(frames.dropFirst().allSatisfy { $0[0] == "13" && $0[5] == "0" })
        #expect(frames.count == 11)
        #expect(bench.order("halt-depth") == "ok")
        bench.wait(seconds: 3)
        #expect(bench.codes() == ["316"])
    }

    @Test("a pacing violation, notices, bulletins and the client id by command")
    func words() {
        var bench = streaming()
        #expect(bench.order("pacing-error") == "ok")
        bench.send(
            ["20", "6"] + Bench.stock("SPY")
                + ["0", "", "1 min", "600 S", "0", "TRADES", "1", "0", ""])
        bench.send(["12", "1", "0"])
        #expect(bench.order("bulletin Nothing happened") == "ok")
        #expect(bench.order("notice 2107 Asleep until asked") == "ok")
        let frames = bench.frames()
        #expect(frames[0].contains { $0.contains("pacing violation") })
        #expect(frames[1] == ["14", "1", "2", "1", "Nothing happened", "NYSE"])
        #expect(frames[2].prefix(5) == ["4", "2", "-1", "2107", "Asleep until asked"])
        #expect(bench.order("refuse-client-id on") == "ok")
        #expect(bench.order("status").hasPrefix("ok: 1 connections, clients [10], 1 "))
        #expect(bench.order("rate 5").hasPrefix("ok: from second"))
        #expect(bench.order("quit") == "ok")
        #expect(bench.simulator.isEnding)
    }

    @Test("who asks for all bulletins is told those of before again")
    func bulletinsAgain() {
        var bench = Bench()
        #expect(bench.order("bulletin Closed early") == "ok")
        bench.send(["12", "1", "1"])
        let told = bench.frames().filter { $0[0] == "14" }
        #expect(told.map { $0[2] } == ["1", "2"])
        #expect(told.map { $0[4] } == ["Made up.", "Closed early"])
    }

    @Test("headlines alone: without the market data of the request")
    func newsAlone() {
        var bench = Bench()
        bench.subscribe(5, "SPY", generic: "mdoff,292")
        for _ in 0..<100 { bench.wait(seconds: 1) }
        let kinds = Set(bench.frames().filter { $0.count > 1 && $0[1] == "5" }.map { $0[0] })
        #expect(kinds == ["84"])
    }

    @Test(
        "what is no command is answered by all there are",
        arguments: ["", "clos", "stall", "stall x", "farm market", "rate 9999999", "late -1"])
    func nonsense(line: String) {
        var bench = Bench()
        #expect(bench.order(line).hasPrefix("error: not understood"))
    }

    @Test("a client that does not read is closed at the limit")
    func slowReader() {
        var settings = SimulatorSettings()
        settings.limits.outgoingBytes = 20_000
        var bench = Bench(settings: settings, rate: 3_000)
        bench.askTicks(5, "SPY", kind: "AllLast")
        bench.wait(seconds: 1)
        #expect(!bench.isOver)
        for _ in 0..<20 { bench.wait(seconds: 1) }
        #expect(bench.isOver)
    }
}
