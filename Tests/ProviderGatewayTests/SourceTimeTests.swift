import EngineKit
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

/// The two clocks of a host, which a test sets, and a source's time that reads them.
private final class TimeUnderTest {
    private final class Clocks: Sendable {
        let moment = Mutex(
            Moment(wall: Timestamp(nanoseconds: 1_700_000_000_000_000_000), monotonic: .at(second)))
    }

    static let second: Int64 = 1_000_000_000
    private let clocks = Clocks()
    private let service: TestService
    private(set) var time: SourceTime

    init() throws {
        service = try TestService(Main.description, [:])
        let clocks = clocks
        time = SourceTime(
            try GatewaySettings(service.context.configuration), service.context.telemetry,
            providers: 2
        ) { clocks.moment.withLock { $0 } }
        _ = time.now()
    }

    /// The time of the host's wall clock.
    var wall: Timestamp { clocks.moment.withLock { $0.wall } }
    var now: Timestamp { time.now() }
    var isHeld: Bool { time.isHeld }

    func step(_ nanoseconds: Int64) {
        clocks.moment.withLock { $0.wall = $0.wall.advanced(byNanoseconds: nanoseconds) }
        _ = time.now()
    }

    /// Lets time pass on both clocks.
    func pass(_ nanoseconds: Int64) {
        clocks.moment.withLock {
            $0.wall = $0.wall.advanced(byNanoseconds: nanoseconds)
            $0.monotonic += nanoseconds
        }
        _ = time.now()
    }

    /// Moves the host's clocks without a reading of them.
    func standStill(_ nanoseconds: Int64) {
        clocks.moment.withLock {
            $0.wall = $0.wall.advanced(byNanoseconds: nanoseconds)
            $0.monotonic += nanoseconds
        }
    }

    /// Passes a tick with a stamp of its provider. Returns whether it is refused.
    func stamped(_ stamp: Timestamp, _ flags: TickFlags = [], of provider: Int = 0) -> Bool {
        time.refuses(
            TickHeader(symbol: 0, flags: flags, providerTime: stamp, receiveTime: now),
            of: provider)
    }

    func received(_ stamp: Timestamp) -> Bool {
        time.refuses(TickHeader(symbol: 0, providerTime: .undefined, receiveTime: stamp), of: 0)
    }

    func heard(ahead: Int64, of provider: Int = 0) {
        time.received(aheadNanoseconds: ahead, of: provider)
    }

    /// How often a person was told of ticks that are ahead.
    var told: Int { service.log.count(of: "gateway.future_ticks") }

    func report() { time.report() }

    func likelyTime(_ stamp: Timestamp) -> Timestamp {
        time.likelyTime(of: TickHeader(symbol: 0, providerTime: stamp, receiveTime: now))
    }
}

@Suite("The time of a source")
struct SourceTimeTests {
    private static let second = TimeUnderTest.second
    private static let hour = 3_600 * second

    @Test("ticks that have no time of their own say nothing about a step of the host's clock")
    func receiveStamped() throws {
        for sign in [1, -1] as [Int64] {
            let time = try TimeUnderTest()
            let before = time.now
            time.step(sign * Self.hour)
            for _ in 0..<100 {
                time.pass(Self.second / 10)
                for _ in 0..<100 { _ = time.received(time.wall) }
            }
            #expect(time.isHeld)
            #expect(time.now == before.advanced(byNanoseconds: 10 * Self.second))
        }
    }

    @Test("nor do those of the past, nor those that are told late")
    func past() throws {
        let time = try TimeUnderTest()
        time.step(Self.hour)
        for _ in 0..<30 {
            time.pass(Self.second / 10)
            for flags in [.snapshot, .backfilled, .delayed] as [TickFlags] {
                _ = time.stamped(time.now, flags)
            }
        }
        #expect(time.isHeld)
    }

    @Test(
        "one tick a second that its provider stamped outvotes a thousand that were stamped here",
        arguments: [true, false])
    func vote(isRight: Bool) throws {
        let time = try TimeUnderTest()
        let before = time.now
        time.step(Self.hour)
        for _ in 0..<2 {
            _ = time.stamped(isRight ? time.wall : time.now)
            for _ in 0..<1_000 { _ = time.received(isRight ? time.now : time.wall) }
            time.pass(Self.second)
        }
        #expect(!time.isHeld)
        let ahead = (isRight ? Self.hour : 0) + 2 * Self.second
        #expect(time.now == before.advanced(byNanoseconds: ahead))
    }

    @Test(
        "what the provider answers to what time it is decides, too",
        arguments: [(3_600, 0, false), (3_600, 3_599, true), (-3_600, -3_600, true), (2, 0, false)]
            as [(Int64, Int64, Bool)])
    func answer(step: Int64, ahead: Int64, isFollowed: Bool) throws {
        let time = try TimeUnderTest()
        let before = time.now
        time.step(step * Self.second)
        time.heard(ahead: ahead * Self.second)
        time.pass(Self.second)
        #expect(!time.isHeld)
        let moved = (isFollowed ? step : 0) + 1
        #expect(time.now == before.advanced(byNanoseconds: moved * Self.second))
    }

    @Test("a tick that came while the process stood still is not ahead of its time")
    func stoodStill() throws {
        let time = try TimeUnderTest()
        time.standStill(5 * Self.second)
        #expect(!time.received(time.wall))
        time.standStill(5 * Self.second)
        #expect(time.received(time.wall.advanced(byNanoseconds: 3 * Self.second)))
    }

    @Test("an answer that fits neither time decides nothing")
    func otherAnswer() throws {
        let time = try TimeUnderTest()
        time.step(Self.hour)
        for ahead in [Self.hour / 2, Int64.max, Int64.min + 1] { time.heard(ahead: ahead) }
        time.pass(2 * Self.second)
        #expect(time.isHeld)
    }

    @Test("a host that is known to be slow refuses no tick of its provider; not by an hour")
    func slowHost() throws {
        let time = try TimeUnderTest()
        let stamp = time.now.advanced(byNanoseconds: 5 * Self.second)
        #expect(time.stamped(stamp))
        time.heard(ahead: 4 * Self.second)
        #expect(!time.stamped(stamp))
        #expect(time.stamped(stamp.advanced(byNanoseconds: 2 * Self.second)))
        time.heard(ahead: Self.hour)
        #expect(time.stamped(stamp))
    }

    @Test("the known lead of one provider's clock allows no tick of another provider")
    func leads() throws {
        let time = try TimeUnderTest()
        let stamp = time.now.advanced(byNanoseconds: 5 * Self.second)
        time.heard(ahead: 4 * Self.second, of: 1)
        #expect(time.stamped(stamp) && !time.stamped(stamp, of: 1))
        time.heard(ahead: 0)
        #expect(!time.stamped(stamp, of: 1))
        time.heard(ahead: 0, of: 1)
        #expect(time.stamped(stamp, of: 1))
    }

    @Test(
        "of a thousand stamps the one that is ahead is refused, also of a provider's fast clock",
        arguments: [0, 10] as [Int64], [0, 50, 500] as [Int])
    func oneAhead(lead: Int64, at place: Int) throws {
        let time = try TimeUnderTest()
        var clock = ServerClock()
        var refused = 0
        for number in 0..<1_002 {
            if number > 1 { time.pass(Self.second / 100) }
            let ahead = lead + (number == place + 2 ? 40 : 0)
            let stamp = time.now.advanced(byNanoseconds: ahead * Self.second)
            let monotonic = MonotonicTime.at(Self.second + Int64(number) * Self.second / 100)
            clock.note(stamp, Moment(wall: time.now, monotonic: monotonic))
            // The engine reports to the gateway before it hands the trade over.
            if let ahead = clock.take(2 * Self.second) { time.heard(ahead: ahead) }
            if time.stamped(stamp) { refused += 1 }
        }
        #expect(refused == 1)
    }

    @Test("of a thin feed, too, a wrong stamp says nothing, and a clock that was set is known soon")
    func thinFeed() {
        var clock = ServerClock()
        var told: [Int64] = []
        for (number, ahead) in [0, 0, 0, 40, 0, 0, 5, 5, 5].enumerated() {
            let now = Moment(
                wall: Timestamp(nanoseconds: Int64(number) * 60 * Self.second),
                monotonic: .at(Int64(number + 1) * 60 * Self.second))
            clock.note(now.wall.advanced(byNanoseconds: Int64(ahead) * Self.second), now)
            told.append((clock.take(2 * Self.second) ?? -Self.second) / Self.second)
        }
        #expect(told == [0, 0, 0, 0, 0, 0, 0, 5, 5])
    }

    @Test("however many ticks are ahead, a person is told once, and once more when it is over")
    func toldOnce() throws {
        let time = try TimeUnderTest()
        for burst in 0...1 {
            for _ in 0..<3 {
                #expect(time.stamped(time.wall.advanced(byNanoseconds: Self.hour)))
                #expect(time.told == 2 * burst + 1)
            }
            time.pass(FutureGate.quietNanoseconds)
            time.report()
            #expect(time.told == 2 * burst + 2)
        }
    }

    @Test("a tick that is refused is missing when it came, or at its stamp while that may be right")
    func likelyTime() throws {
        let time = try TimeUnderTest()
        let ahead = time.now.advanced(byNanoseconds: 5 * Self.second)
        #expect(time.likelyTime(ahead) == time.now)
        time.step(5 * Self.second)
        #expect(time.likelyTime(ahead) == ahead)
        #expect(time.likelyTime(ahead.advanced(byNanoseconds: Self.hour)) == time.now)
    }
}
