import Primitives
import Testing

@testable import ProviderGateway

/// A gate in a class, because expectations cannot call mutating functions.
private final class GateUnderTest {
    private(set) var gate: FutureGate

    init(maxNanoseconds: Int64) {
        gate = FutureGate(maxNanoseconds: maxNanoseconds, providers: 1)
    }

    func refuses(_ stamp: Timestamp, now: Timestamp, monotonic: Int64) -> Bool {
        gate.refuses(stamp, of: 0, now: now, monotonic: .at(monotonic))
    }

    func change(monotonic: Int64) -> FutureGate.Change? { gate.change(monotonic: .at(monotonic)) }

    var refused: UInt64 { gate.refused }
    var isProviderAhead: Bool { gate.isProviderAhead }
}

/// The same for a clock. A reading has both clocks at `monotonic`, and the wall clock `ahead` of
/// its start.
private final class ClockUnderTest {
    static let start: Int64 = 1_700_000_000_000_000_000
    private(set) var clock = SourceClock()

    func read(_ monotonic: Int64, ahead: Int64 = 0) -> SourceClock.Change? {
        clock.read(
            wall: Timestamp(nanoseconds: Self.start + monotonic + ahead), monotonic: .at(monotonic))
    }

    func received(stamp: Timestamp) { clock.received(stamp: stamp) }

    var now: Timestamp { clock.now }
    var holdsWatermark: Bool { clock.holdsWatermark }
}

@Suite("Ticks that are stamped ahead of the time")
struct FutureGateTests {
    private let second: Int64 = 1_000_000_000
    private let now = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

    private func later(_ nanoseconds: Int64) -> Timestamp {
        now.advanced(byNanoseconds: nanoseconds)
    }

    @Test("the bound itself is taken, a nanosecond more is not")
    func bound() {
        let gate = GateUnderTest(maxNanoseconds: 2 * second)
        #expect(!gate.refuses(later(2 * second), now: now, monotonic: 0))
        #expect(gate.refuses(later(2 * second + 1), now: now, monotonic: 0))
        #expect(!gate.refuses(later(-3_600 * second), now: now, monotonic: 0))
        #expect(gate.refused == 1)
    }

    @Test("no stamp and no bound overflows", arguments: [Int64.min, 0, Int64.max])
    func ends(stamp: Int64) {
        let gate = GateUnderTest(maxNanoseconds: .max)
        let stamp = Timestamp(nanoseconds: stamp)
        for now in [Int64.min, 0, Int64.max] {
            _ = gate.refuses(stamp, now: Timestamp(nanoseconds: now), monotonic: 0)
        }
        #expect(gate.change(monotonic: .max) != .begun)
    }

    @Test("a burst is over after five quiet seconds, and says how many ticks it had")
    func burst() {
        let gate = GateUnderTest(maxNanoseconds: second)
        for turn in 0..<10 {
            let time = Int64(turn) * second / 2
            #expect(gate.refuses(later(3_600 * second), now: now, monotonic: time))
            #expect(!gate.refuses(now, now: now, monotonic: time))
            #expect(gate.change(monotonic: time) == nil)
        }
        let last = 9 * second / 2
        #expect(gate.change(monotonic: last + 5 * second - 1) == nil)
        #expect(gate.change(monotonic: last + 5 * second) == .over(ticks: 10))
        #expect(gate.change(monotonic: last + 60 * second) == nil)
    }

    @Test("nothing else for a second: the provider's clock has stepped, until a tick can be taken")
    func provider() {
        let gate = GateUnderTest(maxNanoseconds: second)
        #expect(gate.refuses(later(3_600 * second), now: now, monotonic: 0))
        #expect(gate.change(monotonic: second - 1) == nil && !gate.isProviderAhead)
        #expect(gate.refuses(later(3_600 * second), now: now, monotonic: second))
        #expect(gate.change(monotonic: second) == .provider(isAhead: true))
        #expect(gate.isProviderAhead)
        #expect(!gate.refuses(now, now: now, monotonic: 2 * second))
        #expect(gate.change(monotonic: 2 * second) == .provider(isAhead: false))
        #expect(!gate.isProviderAhead)
    }

    @Test("the end of a burst is no recovery: the clock is stepped until a tick can be taken")
    func silence() {
        let gate = GateUnderTest(maxNanoseconds: second)
        for time in [0, second] {
            #expect(gate.refuses(later(3_600 * second), now: now, monotonic: time))
        }
        #expect(gate.change(monotonic: second) == .provider(isAhead: true))
        #expect(gate.change(monotonic: 6 * second) == .over(ticks: 2))
        #expect(gate.change(monotonic: 7 * second) == nil && gate.isProviderAhead)
        #expect(gate.refuses(later(3_600 * second), now: now, monotonic: 60 * second))
        #expect(gate.change(monotonic: 60 * second) == nil && gate.isProviderAhead)
        #expect(!gate.refuses(now, now: now, monotonic: 61 * second))
        #expect(gate.change(monotonic: 61 * second) == .provider(isAhead: false))
    }

    @Test("a single tick that is ahead is no step of the clock, whatever silence follows")
    func stray() {
        let gate = GateUnderTest(maxNanoseconds: second)
        #expect(gate.refuses(later(3_600 * second), now: now, monotonic: 0))
        #expect(gate.change(monotonic: second) == nil && !gate.isProviderAhead)
        #expect(gate.change(monotonic: 5 * second) == .over(ticks: 1))
        #expect(gate.change(monotonic: 6 * second) == nil && !gate.isProviderAhead)
    }
}

@Suite("The clock of a source")
struct SourceClockTests {
    private let second: Int64 = 1_000_000_000

    private func time(_ monotonic: Int64, ahead: Int64 = 0) -> Timestamp {
        Timestamp(nanoseconds: ClockUnderTest.start + monotonic + ahead)
    }

    @Test("a wall clock that is slewed is followed, however far in the end")
    func slewed() {
        let clock = ClockUnderTest()
        for turn in 0..<100 {
            let now = Int64(turn) * second
            let ahead = Int64(turn) * second / 10
            #expect(clock.read(now, ahead: ahead) == nil)
            #expect(clock.now == time(now, ahead: ahead))
        }
    }

    @Test("a step above a second is not followed and holds the watermark", arguments: [1, -1])
    func step(sign: Int64) {
        let clock = ClockUnderTest()
        #expect(clock.read(0) == nil)
        #expect(clock.read(1, ahead: sign * second) == nil, "a second is no step")
        let other = ClockUnderTest()
        #expect(other.read(0) == nil)
        let ahead = sign * 3_600 * second
        #expect(other.read(second, ahead: ahead) == .stepped(byNanoseconds: ahead))
        #expect(other.now == time(second) && other.holdsWatermark)
        // No stamp or answer shows what time it is.
        #expect(other.read(60 * second, ahead: ahead) == nil)
        #expect(other.now == time(60 * second) && other.holdsWatermark)
        #expect(other.read(61 * second) == .returned)
        #expect(!other.holdsWatermark)
    }

    @Test("stamps that go on as before let the watermark go, and the wall clock is not followed")
    func kept() {
        let clock = ClockUnderTest()
        #expect(clock.read(0) == nil)
        let ahead = 3_600 * second
        #expect(clock.read(second, ahead: ahead) != nil)
        clock.received(stamp: time(second))
        #expect(clock.read(2 * second - 1, ahead: ahead) == nil && clock.holdsWatermark)
        #expect(clock.read(2 * second, ahead: ahead) == .kept)
        #expect(!clock.holdsWatermark)
        #expect(clock.read(90 * second, ahead: ahead) == nil)
        #expect(clock.now == time(90 * second))
        #expect(clock.read(91 * second) == .returned)
    }

    @Test("stamps that went along with the wall clock make it the time", arguments: [1, -1])
    func followed(sign: Int64) {
        let clock = ClockUnderTest()
        #expect(clock.read(0) == nil)
        let ahead = sign * 3_600 * second
        #expect(clock.read(second, ahead: ahead) != nil)
        clock.received(stamp: time(second, ahead: ahead))
        // A tick whose stamp agrees with neither time shows nothing.
        clock.received(stamp: time(0, ahead: 7 * ahead))
        #expect(clock.read(2 * second, ahead: ahead) == .followed)
        #expect(clock.now == time(2 * second, ahead: ahead))
        #expect(!clock.holdsWatermark)
        #expect(clock.read(3 * second, ahead: ahead) == nil)
    }
}
