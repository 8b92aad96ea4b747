import IBEngine
import IBProtocol
import Primitives
import Testing

@Suite("Pacing of requests")
struct PacingMachineTests {
    @Test("45 messages leave in 1.2 seconds, urgent ones first, then live ones, then backfill")
    func messages() {
        var machine = PacingMachine()
        machine.ask([ticks(500, "A")], .backfill)
        machine.ask((1...60).map(line), .live)
        machine.ask([.currentTime], .urgent)
        let first = machine.taken(0)
        #expect(first.count == 45 && first[0] == .currentTime && first[1] == line(1))
        #expect(machine.taken(1.1).isEmpty && machine.nextDue == at(1.2))
        let second = machine.taken(1.2)
        #expect(second.count == 17 && second[15] == line(60) && second[16] == ticks(500, "A"))
        #expect(machine.waiting == 0 && machine.nextDue == .never)
    }

    @Test("a server that reads late counts no more than 50 messages in a second")
    func lateReader() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<100 {
            var machine = PacingMachine()
            machine.ask((1...100).map(line), .live)
            machine.ask((101...150).map { ticks($0, "T\($0)") }, .backfill)
            var (now, read) = (at(0), [MonotonicTime]())
            while machine.waiting > 0, now < at(60) {
                var requests: [IBRequest] = []
                machine.take(now: now, into: &requests)
                let late = Int64.random(in: 0...100_000_000, using: &random)
                read += requests.map { _ in max(read.last ?? at(0), now + late) }
                now = max(now + 1_000_000, machine.nextDue)
            }
            #expect(read.count == 150)
            let most = read.indices.map { last in
                read[...last].count { $0 + 1_000_000_000 > read[last] }
            }.max()
            #expect(most ?? 0 <= 50)
        }
    }

    @Test("what must not be too soon for one contract lets the others pass, by turns")
    func turns() {
        var machine = PacingMachine()
        let many = (0..<8).map { ticks(100 + $0, "A", from: Int64($0)) }
        machine.ask(many + [ticks(200, "B"), ticks(201, "B", from: 9)], .backfill)
        let first = machine.taken(0)
        #expect(first.prefix(4) == [many[0], ticks(200, "B"), many[1], ticks(201, "B", from: 9)])
        #expect(first.count == 7 && machine.nextDue == at(2.5))
        #expect(machine.taken(2.5) == Array(many[5...]))
    }

    @Test("58 units of history leave in ten minutes; quotes take two of them")
    func window() {
        var machine = PacingMachine()
        machine.ask((0..<57).map { ticks($0, "S\($0)") }, .backfill)
        var quotes = HistoryTicksRequest()
        quotes.kind = .bidAsk
        machine.ask(
            [.historyTicks(id: 900, Contract(.stock, "Q"), quotes), ticks(901, "R")], .backfill)
        var sent = machine.taken(0)
        for id in 0..<Int32(50) { machine.answered(id: id, now: at(1.2)) }
        sent += machine.taken(1.2)
        // The quotes would be the 59th unit, and the request after them is the 58th.
        #expect(sent.count == 58 && sent.last == ticks(901, "R"))
        let plan = machine.plan
        #expect(plan.count == 1 && plan[0].reason == .historyWindow && plan[0].request == 900)
        #expect(plan[0].subject == "history of Q, BID_ASK, ticks")
        #expect(machine.nextDue == plan[0].until && machine.nextDue == at(605))
        #expect(machine.taken(605).count == 1)
    }

    @Test("the same question is not asked again within 16 s, another number or not")
    func identical() {
        var machine = PacingMachine()
        machine.ask([ticks(1, "A"), ticks(2, "A")], .backfill)
        #expect(machine.taken(0) == [ticks(1, "A")])
        #expect(machine.plan.map(\.reason) == [.identical] && machine.nextDue == at(16))
        #expect(machine.taken(16) == [ticks(2, "A")])
    }

    @Test("50 are open; an answer makes room, and one that never comes is forgotten")
    func open() {
        var machine = PacingMachine { $0.historyOpenMax = 2 }
        machine.ask((1...4).map { ticks($0, "S\($0)") }, .backfill)
        #expect(machine.taken(0).count == 2 && machine.openHistory == 2)
        #expect(machine.plan.allSatisfy { $0.reason == .openRequests && $0.until == at(600) })
        machine.answered(id: 2, now: at(5))
        #expect(machine.taken(5) == [ticks(3, "S3")] && machine.nextDue == at(600))
        #expect(machine.taken(600) == [ticks(4, "S4")])
    }

    @Test("a subscription waits for a line, and others pass it; cancels and refusals free lines")
    func lines() {
        var machine = PacingMachine { $0.lines.marketData = 2 }
        let details = IBRequest.contractDetails(id: 9, Contract(.stock, "A"))
        machine.ask((1...5).map(line) + [details], .live)
        #expect(machine.taken(0) == [line(1), line(2), details])
        #expect(machine.nextDue == .never && !machine.hasLine(.marketData))
        #expect(machine.plan.first?.reason == .line(.marketData))
        machine.answered(id: 1, now: at(1))
        #expect(machine.taken(1) == [line(3)])
        machine.ask([.cancelMarketData(id: 2)], .urgent)
        #expect(machine.taken(2) == [.cancelMarketData(id: 2), line(4)])
        // It was not sent yet. The cancel removes it, and nothing is sent to the server.
        machine.ask([.cancelMarketData(id: 5)], .urgent)
        #expect(machine.waiting == 0 && machine.taken(3).isEmpty)
        #expect(machine.linesInUse(.marketData) == 2)
    }

    @Test("what is asked for anew keeps its line; those that wait get lines in their order")
    func replacements() {
        var machine = PacingMachine { $0.lines.marketData = 1 }
        for (id, order) in [(Int32(1), 5), (2, 9), (3, 7)] {
            let isTaken = machine.ask(line(id), .live, order: order, now: at(0))
            #expect(isTaken)
        }
        #expect(machine.taken(0) == [line(1)])
        machine.replace(1, by: 4)
        machine.ask([.cancelMarketData(id: 1)], .urgent)
        #expect(machine.taken(1) == [.cancelMarketData(id: 1)])
        let isReplaced = machine.ask(line(4), .live, order: 5, now: at(2))
        #expect(isReplaced)
        #expect(machine.taken(2) == [line(4)] && machine.linesInUse(.marketData) == 1)
        machine.ask([.cancelMarketData(id: 4)], .urgent)
        #expect(machine.taken(3) == [.cancelMarketData(id: 4), line(3)])
        // A replacement that is no longer wanted leaves its line to the next request.
        machine.replace(3, by: 5)
        _ = machine.ask(line(5), .live, order: 7, now: at(4))
        machine.withdraw(id: 5)
        #expect(machine.taken(4) == [line(2)])
    }

    @Test("ticks one by one of a contract are asked for once in 16 s, and others pass")
    func tickByTick() {
        func ticks(_ id: Int32, _ symbol: String, _ kind: TickByTickKind) -> IBRequest {
            .tickByTick(id: id, Contract(.stock, symbol), kind)
        }
        var machine = PacingMachine()
        machine.ask([ticks(1, "A", .last), ticks(2, "A", .bidAsk), ticks(3, "B", .last)], .live)
        #expect(machine.taken(0) == [ticks(1, "A", .last), ticks(3, "B", .last)])
        #expect(machine.nextDue == at(16) && machine.plan.map(\.reason) == [.tickByTick])
        // A request that is repeated has its line, and still has to wait.
        machine.replace(1, by: 4)
        machine.ask([.cancelTickByTick(id: 1)], .urgent)
        machine.ask([ticks(4, "A", .last)], .live)
        #expect(machine.taken(15.9) == [.cancelTickByTick(id: 1)])
        #expect(machine.linesInUse(.tickByTick) == 2)
        #expect(machine.taken(16) == [ticks(4, "A", .last)])
        #expect(machine.taken(32) == [ticks(2, "A", .bidAsk)])
    }

    @Test("with fewer lines than thought one more is tried a second later, then ever less often")
    func refusedLines() {
        var machine = PacingMachine()
        machine.ask((1...50).map(line), .live)
        #expect(machine.taken(0).count == 45)
        // The server has three lines. The other requests were on their way.
        for id in 4...45 { machine.refusedLine(id: Int32(id), .marketData, now: at(0.5)) }
        #expect(machine.linesInUse(.marketData) == 3 && machine.taken(1.4).isEmpty)
        #expect(machine.nextDue == at(1.5))
        #expect(machine.taken(1.5) == [line(46)])
        machine.refusedLine(id: 46, .marketData, now: at(2))
        #expect(machine.taken(3.9).isEmpty)
        // Now the server has more lines again.
        #expect(machine.taken(4) == [line(47)] && machine.taken(5.9).isEmpty)
        #expect(machine.taken(6) == [line(48)] && machine.linesInUse(.marketData) == 5)
        // When a subscription ends, its line is free immediately, up to the number of accepted
        // lines.
        machine.ask([.cancelMarketData(id: 1)], .urgent)
        #expect(machine.taken(6.1) == [.cancelMarketData(id: 1), line(49)])
    }

    @Test(
        "lines come back one, two, then four a second; the account's limit is tried once a minute")
    func linesComeBack() {
        var machine = PacingMachine()
        machine.ask((1...40).map(line), .live)
        _ = machine.taken(0)
        machine.ask((41...140).map(line), .live)
        for id in 11...40 { machine.refusedLine(id: Int32(id), .marketData, now: at(0.5)) }
        #expect(machine.linesInUse(.marketData) == 10)
        var sent: [Double] = []
        for quarter in 4...120 {
            let now = Double(quarter) / 4 + 0.5
            sent += machine.taken(now).map { _ in now }
        }
        #expect(sent.prefix(6) == [1.5, 2.5, 3, 3.25, 3.5, 3.75])
        #expect(machine.linesInUse(.marketData) == 100)
        // An account that has no more lines: each try is refused.
        machine = PacingMachine()
        machine.ask((1...40).map(line), .live)
        _ = machine.taken(0)
        machine.refusedLine(id: 40, .marketData, now: at(0.5))
        machine.ask((41...140).map(line), .live)
        #expect(machine.taken(0.5).isEmpty)
        var waits: [Double] = []
        for id in Int32(41)...49 {
            let due = Double(machine.nextDue.nanoseconds) / 1e9
            waits.append(due)
            #expect(machine.taken(due) == [line(id)])
            machine.refusedLine(id: id, .marketData, now: at(due + 0.1))
            #expect(machine.taken(due + 0.1).isEmpty)
        }
        let steps = zip(waits.dropFirst(), waits).map { ($0 - $1).rounded() }
        #expect(steps == [2, 4, 8, 16, 32, 60, 60, 60])
    }

    @Test("while the vendor's history is down nothing is asked of it, and everything else is")
    func held() {
        var machine = PacingMachine()
        machine.ask([ticks(1, "A"), line(2)], .live)
        machine.holdHistory(true, now: at(0))
        #expect(machine.taken(0) == [line(2)] && machine.plan.map(\.reason) == [.historyDown])
        #expect(machine.taken(700).isEmpty)
        machine.holdHistory(false, now: at(701))
        #expect(machine.taken(701) == [ticks(1, "A")])
    }

    @Test("after a complaint everything of that kind waits, longer each time")
    func violations() {
        var machine = PacingMachine()
        machine.ask([ticks(1, "A"), line(2)], .live)
        machine.violated(now: at(0))
        #expect(machine.taken(0) == [line(2)] && machine.nextDue == at(15))
        #expect(machine.plan.map(\.reason) == [.violation])
        machine.violated(now: at(10))
        #expect(machine.taken(15) == [ticks(1, "A")])
        machine.ask([ticks(3, "B"), .currentTime], .urgent)
        machine.violated(now: at(16))
        machine.violated(.messages, now: at(16))
        #expect(machine.taken(16).isEmpty && machine.nextDue == at(31))
        #expect(machine.taken(31) == [.currentTime] && machine.nextDue == at(46))
        #expect(machine.taken(46) == [ticks(3, "B")])
    }

    @Test("a full queue refuses, and has a place for what is urgent")
    func full() {
        var machine = PacingMachine {
            $0.queueMax = 2
            $0.urgentExtraMax = 1
        }
        machine.ask([line(1), line(2)], .live)
        let areTaken = [
            machine.ask(line(3), .live, now: .at(0)),
            machine.ask(.currentTime, .urgent, now: .at(0)),
            machine.ask(.currentTime, .urgent, now: .at(0)),
        ]
        #expect(areTaken == [false, true, false])
        machine.withdraw(id: 1)
        #expect(machine.waiting == 2 && machine.taken(0) == [.currentTime, line(2)])
    }

    @Test("a full queue takes every cancel, so that the line of its request becomes free")
    func cancelsWhenFull() {
        var machine = PacingMachine {
            $0.queueMax = 1
            $0.urgentExtraMax = 1
            $0.lines.marketData = 2
        }
        for id in Int32(1)...2 {
            machine.ask([line(id)], .live)
            #expect(machine.taken(0) == [line(id)])
        }
        machine.ask([line(3)], .live)
        machine.ask([.currentTime], .urgent)
        let cancels = (1...2).map { IBRequest.cancelMarketData(id: $0) }
        machine.ask(cancels, .urgent)
        let areTaken = [
            machine.ask(.currentTime, .urgent, now: at(0)), machine.ask(line(4), .live, now: at(0)),
        ]
        #expect(areTaken == [false, false])
        #expect(machine.taken(1) == [.currentTime] + cancels + [line(3)])
        #expect(machine.linesInUse(.marketData) == 1)
    }

    @Test("a new connection has all lines, and the server's memory of history")
    func reset() {
        var machine = PacingMachine()
        machine.ask([line(1), ticks(2, "A")], .live)
        #expect(machine.taken(0).count == 2)
        machine.ask([line(3)], .live)
        machine.reset()
        #expect(machine.waiting == 0 && machine.linesInUse(.marketData) == 0)
        #expect(machine.openHistory == 0 && machine.taken(5).isEmpty)
        machine.ask([ticks(4, "A")], .live)
        #expect(machine.taken(5).isEmpty && machine.nextDue == at(16))
    }

    /// Requests for bars of a day.
    private static func days(_ count: Int32) -> [IBRequest] {
        (0..<count).map { id in
            .history(
                id: id, Contract(.stock, "S\(id)"),
                HistoryRequest(duration: "1 Y", barSize: "1 day"))
        }
    }

    @Test("bars of a minute and more are outside of the windows when the limits say so")
    func longBars() {
        let days = Self.days(70)
        for (isFree, count) in [(false, 58), (true, 70)] {
            var machine = PacingMachine {
                $0.longBarsAreFree = isFree
                $0.messages.max = 100
                $0.historyOpenMax = 100
            }
            machine.ask(days, .live)
            #expect(machine.taken(0).count == count)
        }
    }

    @Test("long bars count again after a complaint, until it is forgotten")
    func longBarsAfterComplaint() {
        let days = Self.days(200)
        var machine = PacingMachine {
            $0.historyOpenMax = 1_000
            $0.messages.max = 100
        }
        machine.ask(Array(days[..<90]), .backfill)
        #expect(machine.taken(0).count == 90)
        machine.violated(now: at(1))
        machine.ask(Array(days[90...]), .backfill)
        #expect(machine.taken(1).isEmpty && machine.nextDue == at(16))
        #expect(machine.taken(16).count == 58)
        #expect(machine.taken(20).isEmpty && machine.nextDue == at(621))
        #expect(machine.taken(1_202).count == 52)
    }

    @Test("58 new subscriptions to bars of five seconds leave in ten minutes, and have lines")
    func bars() {
        func bars(_ id: Int32) -> IBRequest {
            .realTimeBars(id: id, Contract(.stock, "S\(id)"), .trades, regularHoursOnly: false)
        }
        var machine = PacingMachine {
            $0.messages.max = 100
            $0.lines.marketData = 61
        }
        machine.ask((1...62).map(bars) + [line(100), ticks(101, "A")], .live)
        let first = machine.taken(0)
        #expect(first.count == 60 && Array(first.suffix(2)) == [line(100), ticks(101, "A")])
        #expect(machine.linesInUse(.marketData) == 59)
        #expect(machine.plan.map(\.reason) == Array(repeating: .historyWindow, count: 4))
        #expect(machine.nextDue == at(605) && machine.plan.allSatisfy { $0.until == at(605) })
        // The server remembers what was requested on another connection.
        machine.reset()
        machine.ask([bars(201)], .live)
        #expect(machine.taken(604).isEmpty)
        #expect(machine.taken(605) == [bars(201)])
    }
}
