import IBEngine
import IBProtocol
import MarketModel
import Testing

/// What the vendor's documentation says that TWS refuses, and what a person is told of it.
@Suite("Refusals, and what a person can do") struct RefusalTests {
    @Test(
        "Each documented refusal of a request is one line with its words and what to do",
        arguments: [
            (100, "Max rate of messages per second has been exceeded", .down, "asked again"),
            (101, "Max number of tickers has been reached", .waitingForLines, "more market data"),
            (162, "Historical Market Data Service error message: no permissions", .refused, ""),
            (162, "HMDS query failed", .down, "asked again by itself"),
            (200, "No security definition has been found", .down, "check symbol"),
            (321, "Error validating request", .live, "check the feeds"),
            (322, "Duplicate ticker id", .live, ""),
            (354, "Requested market data is not subscribed", .refused, "IBKR_DELAYED=auto"),
            (420, "Invalid real-time query", .down, "asked again by itself"),
            (10_089, "Requires additional subscription", .asked, "Client Portal"),
            (10_090, "Part of requested market data is not subscribed", .asked, "Client Portal"),
            (10_168, "Requested market data is not subscribed", .refused, "Client Portal"),
            (10_186, "Not subscribed, delayed data is not enabled", .refused, "Client Portal"),
            (10_189, "Failed to request tick-by-tick data", .down, "asked again by itself"),
            (10_190, "Max number of tick-by-tick requests", .waitingForLines, "remove instruments"),
            (10_197, "No market data during competing live session", .down, "log the other"),
        ] as [(Int, String, FeedStatus.State, String)])
    func request(code: Int, text: String, state: FeedStatus.State, advice: String) {
        let world = World.running([.level1]) { $0.server.refusals.append((code, text)) }
        let feed = world.feeds()[0]
        #expect(feed.state == state, "\(feed)")
        guard ![.live, .asked].contains(state) || !feed.reason.isEmpty else { return }
        #expect(feed.reason.contains("\(text) (\(code))"), "\(feed)")
        #expect(feed.reason.contains(advice) && !feed.reason.contains("\n"), "\(feed)")
    }

    @Test(
        "What is told of the whole connection is the reason of its state",
        arguments: [
            (1_100, "Connectivity between IBKR and TWS has been lost", .serverLost, "nightly"),
            (2_110, "Connectivity between TWS and server is broken", .serverLost, "logged in"),
            (2_103, "Market data farm connection is broken:usfarm", .farmDown, "connects to it"),
        ] as [(Int, String, SessionState, String)])
    func connection(code: Int, text: String, state: SessionState, advice: String) {
        var world = World.running([.level1], seconds: 5) { $0.isTrading = false }
        world.tell(code, text)
        world.pass(0.5)
        let status = world.engine.status
        #expect(status.state == state && status.reason.contains(advice), "\(status.reason)")
    }

    @Test("No refusal that lasts until a person acts lacks what to do")
    func lasting() {
        for code in NoticeCode.allCases {
            let notice = IBNotice(request: 1, code: code.rawValue, text: "no permissions")
            let advice = notice.meaning.advice
            #expect(notice.meaning.outlook != .permanent || !advice.isEmpty, "\(code)")
            #expect(notice.reason.hasSuffix(advice.isEmpty ? "(\(code.rawValue))" : advice))
        }
    }

    @Test("Bars that a cancelled trade has ended are asked for again by itself")
    func bust() {
        var world = World.running([.bars])
        #expect(world.states == [.live])
        let ended = world.server.subscriptions.filter { $0.value.kind == .bars }.map(\.key)
        for id in ended {
            world.server.subscriptions[id] = nil
            world.tell(10_225, "Bust event occurred", about: id)
        }
        world.pass(10)
        let feed = world.feeds()[0]
        #expect(!ended.isEmpty && feed.state == .live && feed.reason.isEmpty, "\(feed)")
        let again = world.server.subscriptions.filter { $0.value.kind == .bars }.map(\.key)
        #expect(again.count == ended.count && Set(again).isDisjoint(with: ended))
    }

    @Test("A port that says nothing, and a client id in use, are told, with what to do")
    func connecting() {
        let mute = World.running([.level1], seconds: 15) { $0.server.muteConnections = 100 }
        #expect(mute.engine.status.failures > 0)
        #expect(mute.engine.status.reason.contains("check that this is the API port"))
        let used = World.running([.level1], seconds: 30) { $0.server.refusedConnections = 100 }
        #expect(used.engine.status.failures >= 3)
        let advice = "in use by another program (326): set another IBKR_CLIENT_ID"
        #expect(used.engine.status.reason.contains(advice))
    }
}
