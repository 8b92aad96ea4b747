import IBEngine
import MarketModel
import Primitives
import Testing

/// What is documented of these notices, and where, is in the README of `IBEngine`. Their order is
/// not, so each order has to end well.
@Suite("The order of notices about live and delayed data") struct DelayedOrderTests {
    typealias Answer = SimulatedServer.Answer

    struct Order: CustomTestStringConvertible {
        let testDescription: String
        /// What the server answers the requests for level 1, one after the other, and then says
        /// about the last one.
        var answers: [[Answer]]
        var then: [Answer] = []
        /// How long the market goes on, in seconds.
        var seconds = 20.0
        var isDelayed: Bool
        var state = FeedStatus.State.live
        /// How often level 1 was requested.
        var requests: Int
        /// The subscriptions in the delayed source: true for a start.
        var starts: [Bool]
    }

    private static let delayed: [Answer] = [.mode(3), .code(10_167), .delayed]

    private static let atFirst: [Order] = [
        Order(
            testDescription: "354, then delayed ticks", answers: [[.code(354), .end], delayed],
            isDelayed: true, requests: 2, starts: [true]),
        Order(
            testDescription: "354 and 10091 about one request",
            answers: [[.code(354), .code(10_091), .end], delayed], isDelayed: true, requests: 2,
            starts: [true]),
        Order(
            testDescription: "10168, which says that no delayed data were asked for",
            answers: [[.code(10_168), .end], delayed], isDelayed: true, requests: 2,
            starts: [true]),
        Order(
            testDescription: "10089, and the request is kept",
            answers: [
                [.code(10_089), .mute], [.code(10_167), .code(10_091), .mode(3), .delayed],
            ],
            isDelayed: true, requests: 2, starts: [true]),
        Order(
            testDescription: "10167 before message 58",
            answers: [[.code(10_167), .mode(3), .delayed]],
            isDelayed: true, requests: 1, starts: [true]),
        Order(
            testDescription: "message 58 before 10167", answers: [delayed], isDelayed: true,
            requests: 1, starts: [true]),
        Order(
            testDescription: "10167 alone", answers: [[.code(10_167), .delayed]], isDelayed: true,
            requests: 1, starts: [true]),
        Order(
            testDescription: "delayed ticks alone", answers: [[.delayed]], isDelayed: true,
            requests: 1, starts: [true]),
        Order(
            testDescription: "10090 before the ticks of the rest",
            answers: [[.code(10_090), .mode(1), .live]], isDelayed: false, requests: 1, starts: []),
        Order(
            testDescription: "10090 without any price",
            answers: [[.mode(1), .code(10_090), .mute], delayed], isDelayed: true, requests: 2,
            starts: [true]),
        Order(
            testDescription: "10090, then delayed ticks", answers: [[.code(10_090)] + delayed],
            isDelayed: true, requests: 1, starts: [true]),
        Order(
            testDescription: "354 about both requests",
            answers: [[.code(354), .end], [.code(354), .end]], isDelayed: false, state: .refused,
            requests: 2, starts: []),
        Order(
            testDescription: "354, then 10168",
            answers: [[.code(354), .end], [.code(10_168), .end]], isDelayed: false,
            state: .refused, requests: 2, starts: []),
        Order(
            testDescription: "10197 about a new request",
            answers: [[.code(10_197), .mute], [.live]],
            seconds: 70, isDelayed: false, requests: 2, starts: []),
    ]

    private static let later: [Order] = [
        Order(
            testDescription: "10089 while delayed ticks come", answers: [delayed],
            then: [.code(10_089)], isDelayed: true, requests: 1, starts: [true]),
        Order(
            testDescription: "10090 while delayed ticks come", answers: [delayed],
            then: [.code(10_090)], isDelayed: true, requests: 1, starts: [true]),
        Order(
            testDescription: "10167 once more", answers: [delayed], then: [.code(10_167)],
            isDelayed: true, requests: 1, starts: [true]),
        Order(
            testDescription: "10168 while delayed ticks come", answers: [delayed],
            then: [.code(10_168), .end], isDelayed: false, state: .refused, requests: 1,
            starts: [true, false]),
        Order(
            testDescription: "10197 while delayed ticks come", answers: [delayed, delayed],
            then: [.code(10_197), .mute], seconds: 70, isDelayed: true, requests: 2,
            starts: [true, false, true]),
        Order(
            testDescription: "10197 while live ticks come", answers: [[.mode(1), .live], [.live]],
            then: [.code(10_197), .mute], seconds: 70, isDelayed: false, requests: 2, starts: []),
        Order(
            testDescription: "10197, and live ticks come again by themselves",
            answers: [[.mode(1), .live]], then: [.code(10_197)], isDelayed: false, requests: 1,
            starts: []),
        Order(
            testDescription: "10197, then 354 ends the request", answers: [[.live], delayed],
            then: [.code(10_197), .code(354), .end], isDelayed: true, requests: 2,
            starts: [true]),
        Order(
            testDescription: "10089, and live ticks go on", answers: [[.mode(1), .live]],
            then: [.code(10_089)], isDelayed: false, requests: 1, starts: []),
        Order(
            testDescription: "10089, and live ticks end", answers: [[.mode(1), .live], delayed],
            then: [.code(10_089), .mute], isDelayed: true, requests: 2, starts: [true]),
        Order(
            testDescription: "354 ends live ticks", answers: [[.mode(1), .live], delayed],
            then: [.code(354), .end], isDelayed: true, requests: 2, starts: [true]),
        Order(
            testDescription: "live, delayed, and live again by message 58",
            answers: [[.mode(1), .live]],
            then: [.code(10_167), .mode(3), .mode(1), .live], isDelayed: false, requests: 1,
            starts: [true, false]),
        Order(
            testDescription: "frozen data are live ones that stopped", answers: [[.live]],
            then: [.mode(2)], isDelayed: false, requests: 1, starts: []),
        Order(
            testDescription: "delayed and frozen", answers: [delayed], then: [.mode(4)],
            isDelayed: true, requests: 1, starts: [true, false, true]),
    ]

    @Test("of a new request", arguments: Self.atFirst) func first(_ order: Order) { check(order) }

    @Test("while ticks come", arguments: Self.later) func late(_ order: Order) { check(order) }

    private func check(_ order: Order) {
        var world = World(seed: 3, feeds: [.level1], canBackfill: false, delayed: .automatic)
        world.server.answers = order.answers
        world.start()
        world.pass(10)
        if let request = world.server.subscriptions.keys.first, !order.then.isEmpty {
            world.server.answer(request, order.then, world.now)
        }
        world.pass(order.seconds)
        let feeds = world.feeds()
        #expect(feeds.map(\.isDelayed) == [order.isDelayed])
        #expect(feeds.map(\.state) == [order.state], "\(feeds)")
        #expect(world.requests("1") == order.requests)
        #expect(world.verdict.delayedStarts[0] ?? [] == order.starts)
        world.expectSound()
    }

    // MARK: the question

    struct Look: CustomTestStringConvertible {
        let testDescription: String
        /// To the question, and to the requests after it.
        var answers: [[Answer]]
        /// About the delayed subscription, right before.
        var beside: [Answer] = []
        var isDelayed: Bool
        /// The gap of live data from before is given up.
        var isGivenUp = false
        /// How often level 1 was requested since the question, that included.
        var requests: Int
    }

    private static let looks: [Look] = [
        Look(
            testDescription: "live ticks without message 58", answers: [[.live], [.live]],
            isDelayed: false, requests: 2),
        Look(
            testDescription: "a part is refused, then live ticks",
            answers: [[.code(10_090), .live], []],
            isDelayed: false, requests: 2),
        Look(
            testDescription: "a warning, then live ticks",
            answers: [[.code(2_176), .live], [.live]],
            isDelayed: false, requests: 2),
        Look(
            testDescription: "354 and 10091", answers: [[.code(354), .code(10_091), .end]],
            isDelayed: true, isGivenUp: true, requests: 1),
        Look(
            testDescription: "10089", answers: [[.code(10_089), .mute]], isDelayed: true,
            isGivenUp: true, requests: 1),
        Look(
            testDescription: "delayed data", answers: [delayed], isDelayed: true, isGivenUp: true,
            requests: 1),
        Look(
            testDescription: "10197, which passes", answers: [[.code(10_197), .mute]],
            isDelayed: true,
            requests: 1),
        Look(testDescription: "no answer", answers: [[.mute]], isDelayed: true, requests: 1),
        Look(
            testDescription: "message 58, but then 354",
            answers: [[.mode(1), .live], [.code(354), .end], delayed], isDelayed: true,
            requests: 3),
        Look(
            testDescription: "message 58 about the delayed data crosses it",
            answers: [[.mode(1), .live]], beside: [.mode(1), .live], isDelayed: false, requests: 1),
        Look(
            testDescription: "the delayed data go live, and the question is refused",
            answers: [[.code(354), .end]], beside: [.mode(1), .live], isDelayed: false,
            requests: 1),
    ]

    @Test("of the answers to the question for live data", arguments: Self.looks)
    func question(_ look: Look) {
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
        #expect(world.feeds().map(\.isDelayed) == [look.isDelayed])
        #expect(world.feeds().map(\.state) == [.live])
        #expect(world.requests("1") - before == look.requests)
        #expect(world.server.subscriptions.count == 1)
        let isOpen = look.isDelayed && !look.isGivenUp
        #expect(world.engine.status.openOutages == (isOpen ? gaps : 0))
        let detail = "the account may not see live data"
        #expect(world.verdict.details.contains(detail) == look.isGivenUp)
        world.expectSound()
    }
}
