import IBEngine
import MarketModel
import Primitives
import Testing

/// What is documented of these notices, and where, is in the README of `IBEngine`. Their order is
/// not, so each order has to end well.
@Suite("The order of notices about live and delayed data") struct DelayedOrderTests {
    typealias Answer = SimulatedServer.Answer

    /// A line such as `name: 354 end | usual; 10168 end => delayed, 2 requests`.
    struct Order: CustomTestStringConvertible {
        let testDescription: String
        /// What the server answers the requests for level 1, one after the other.
        let answers: [[Answer]]
        /// What it says beside that, about the subscription that it has then.
        let beside: [Answer]
        /// What level 1 is in the end: live, delayed or refused.
        let outcome: String
        /// How often level 1 was requested, further words, and how long the market goes on.
        let requests: Int
        let more: [String]

        init(_ line: Substring) {
            let parts = line.split(separator: " => ").map { $0.split(separator: ": ") }
            let server = parts[0][1].split(separator: "; ").map(Order.read)
            let words = parts[1][0].split(separator: ", ").map(String.init)
            testDescription = String(parts[0][0])
            (answers, beside) = (server[0], server.count > 1 ? server[1][0] : [])
            (outcome, requests) = (words[0], Int(words[1].prefix(1)) ?? 0)
            more = Array(words.dropFirst(2))
        }

        /// Reads answers: each has codes, modes of message 58, and what becomes of the request.
        /// `usual` is the answer of delayed data.
        private static func read(_ text: Substring) -> [[Answer]] {
            text.split(separator: "|", omittingEmptySubsequences: false).map { answer in
                answer.split(separator: " ").flatMap { word -> [Answer] in
                    switch word {
                    case "usual": [.mode(3), .code(10_167), .delayed]
                    case "live": [.live]
                    case "delayed": [.delayed]
                    case "mute": [.mute]
                    case "end": [.end]
                    case _ where word.hasPrefix("mode"): [.mode(Int(word.dropFirst(4)) ?? 0)]
                    default: [.code(Int(word) ?? 0)]
                    }
                }
            }
        }
    }

    private static func orders(_ lines: String) -> [Order] {
        lines.split(separator: "\n").map(Order.init)
    }

    // `+` and `-` are starts and ends of the subscription in the delayed source, where these are
    // others than a start of delayed data.

    private static let atFirst = orders(
        """
        354, then delayed ticks: 354 end | usual => delayed, 2 requests
        354 and 10091 about one request: 354 10091 end | usual => delayed, 2 requests
        10168, no delayed data were asked for: 10168 end | usual => delayed, 2 requests
        10089, the request is kept: 10089 mute | 10167 10091 mode3 delayed => delayed, 2 requests
        10167 before message 58: 10167 mode3 delayed => delayed, 1 request
        message 58 before 10167: usual => delayed, 1 request
        10167 alone: 10167 delayed => delayed, 1 request
        delayed ticks alone: delayed => delayed, 1 request
        10090 before the ticks of the rest: 10090 mode1 live => live, 1 request
        10090 without any price: mode1 10090 mute | usual => delayed, 2 requests
        10090, then delayed ticks: 10090 usual => delayed, 1 request
        354 about both requests: 354 end | 354 end => refused, 2 requests
        354, then 10168: 354 end | 10168 end => refused, 2 requests
        10197 about a new request: 10197 mute | live => live, 2 requests, 70 s
        """)

    private static let later = orders(
        """
        10089 while delayed ticks come: usual; 10089 => delayed, 1 request
        10090 while delayed ticks come: usual; 10090 => delayed, 1 request
        10167 once more: usual; 10167 => delayed, 1 request
        10168 while delayed ticks come: usual; 10168 end => refused, 1 request, +-
        10197 while delayed ticks come: usual | usual; 10197 mute => delayed, 2 requests, 70 s, +-+
        10197 while live ticks come: mode1 live | live; 10197 mute => live, 2 requests, 70 s
        10197, and live ticks come again by themselves: mode1 live; 10197 => live, 1 request
        10197, then 354 ends the request: live | usual; 10197 354 end => delayed, 2 requests
        10089, and live ticks go on: mode1 live; 10089 => live, 1 request
        10089, and live ticks end: mode1 live | usual; 10089 mute => delayed, 2 requests
        354 ends live ticks: mode1 live | usual; 354 end => delayed, 2 requests
        live, delayed, live again: mode1 live; 10167 mode3 mode1 live => live, 1 request, +-
        frozen data are live ones that stopped: live; mode2 => live, 1 request
        delayed and frozen: usual; mode4 => delayed, 1 request, +-+
        """)

    @Test("of a new request", arguments: Self.atFirst) func first(_ order: Order) { check(order) }

    @Test("while ticks come", arguments: Self.later) func late(_ order: Order) { check(order) }

    private func check(_ order: Order) {
        var world = World(seed: 3, feeds: [.level1], canBackfill: false, delayed: .automatic)
        world.server.answers = order.answers
        world.start()
        world.pass(10)
        if let request = world.server.subscriptions.keys.first, !order.beside.isEmpty {
            world.server.answer(request, order.beside, world.now)
        }
        world.pass(order.more.contains("70 s") ? 70 : 20)
        let feeds = world.feeds()
        let isDelayed = order.outcome == "delayed"
        #expect(feeds.map(\.isDelayed) == [isDelayed])
        #expect(feeds.map(\.state) == [order.outcome == "refused" ? .refused : .live], "\(feeds)")
        #expect(world.requests("1") == order.requests)
        let starts = (world.verdict.delayedStarts[0] ?? []).map { $0 ? "+" : "-" }.joined()
        let wanted = order.more.first { $0.hasPrefix("+") } ?? (isDelayed ? "+" : "")
        #expect(starts == wanted)
        world.expectSound()
    }

    // MARK: the question

    // Beside the answers to the question, and to the requests after it: what is said about the
    // delayed subscription right before. `given up`: the gap of live data from before.

    private static let looks = orders(
        """
        live ticks without message 58: live | live => live, 2 requests
        a part is refused, then live ticks: 10090 live | => live, 2 requests
        a warning, then live ticks: 2176 live | live => live, 2 requests
        354 and 10091: 354 10091 end => delayed, 1 request, given up
        10089: 10089 mute => delayed, 1 request, given up
        delayed data: usual => delayed, 1 request, given up
        10197, which passes: 10197 mute => delayed, 1 request
        no answer: mute => delayed, 1 request
        message 58, but then 354: mode1 live | 354 end | usual => delayed, 3 requests
        message 58 about the delayed data crosses it: mode1 live; mode1 live => live, 1 request
        delayed data go live, the question is refused: 354 end; mode1 live => live, 1 request
        """)

    @Test("of the answers to the question for live data", arguments: Self.looks)
    func question(_ look: Order) {
        var world = World(seed: 3, feeds: [.level1], canBackfill: false, delayed: .automatic)
        world.start()
        world.pass(10)
        // What came live is missing from now on, until it is known that it may not be seen.
        world.server.withoutLive = [0]
        world.drop("reset")
        world.pass(20)
        let gaps = world.engine.status.openOutages
        #expect(gaps > 0)
        let before = world.requests("1")
        // The question is answered when the other messages are on their way.
        world.server.answers = [[]] + look.answers.dropFirst()
        while world.requests("1") == before { world.step(second) }
        let requests = world.server.subscriptions.keys.sorted()
        #expect(requests.count == 2)
        world.server.answer(requests[0], look.beside, world.now)
        world.server.answer(requests[1], look.answers[0], world.now)
        world.pass(30)
        let (isDelayed, isGivenUp) = (look.outcome == "delayed", look.more == ["given up"])
        #expect(world.feeds().map(\.isDelayed) == [isDelayed])
        #expect(world.feeds().map(\.state) == [.live])
        #expect(world.requests("1") - before == look.requests)
        #expect(world.server.subscriptions.count == 1)
        let isOpen = isDelayed && !isGivenUp
        #expect(world.engine.status.openOutages == (isOpen ? gaps : 0))
        let detail = "the account may not see live data"
        #expect(world.verdict.details.contains(detail) == isGivenUp)
        world.expectSound()
    }
}
