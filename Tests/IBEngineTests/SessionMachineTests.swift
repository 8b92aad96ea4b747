import Primitives
import Testing

@testable import IBEngine

@Suite("The session of a connection") struct SessionMachineTests {
    private static func ready(at now: MonotonicTime) -> SessionMachine {
        var session = SessionMachine(IBEngineSettings(seed: 1))
        session.begin(now)
        session.expect(.connect, at: now)
        session.connected(now)
        session.greeted(now)
        let isReady = [
            session.received(id: true, accounts: false, now),
            session.received(id: false, accounts: true, now),
        ]
        #expect(isReady == [false, true])
        return session
    }

    @Test("It connects at once, and is ready when number and accounts have come in any order")
    func opening() {
        let session = Self.ready(at: .at(second))
        #expect(session.isReady)
        #expect(session.failures == 0)
    }

    @Test(
        "What does not answer is tried for ever, at most a minute apart, and told as an alarm once")
    func backoff() {
        var session = SessionMachine(IBEngineSettings(seed: 7))
        var now = MonotonicTime.at(second)
        session.begin(now)
        var alarms: [Int] = []
        for attempt in 1...40 {
            session.expect(.connect, at: now)
            now += 2 * second
            if session.lost("no answer", isReset: false, now) { alarms.append(attempt) }
            let wait = session.nextAttempt - now
            #expect(wait >= 5 * second / 2 && wait <= 60 * second)
            session.expect(.none, at: session.nextAttempt - 1)
            now = session.nextAttempt
        }
        #expect(alarms.count == 1 && alarms.allSatisfy { $0 >= 5 })
    }

    @Test("How long it waits, and after how many failures the alarm comes, are settings")
    func settings() {
        var settings = IBEngineSettings(seed: 7)
        settings.reconnectFirst = .seconds(100)
        settings.reconnectMax = .seconds(50)
        settings.alarmAttempts = 2
        var session = SessionMachine(settings)
        var now = MonotonicTime.at(second)
        session.begin(now)
        for isAlarm in [false, true] {
            session.expect(.connect, at: now)
            now += 2 * second
            let hasAlarmed = session.lost("no answer", isReset: false, now)
            #expect(hasAlarmed == isAlarm)
            #expect((50 * second...100 * second).contains(session.nextAttempt - now))
            now = session.nextAttempt + 60 * second
        }
    }

    @Test(
        "A port that refuses at once is tried every second or two, and the alarm is a minute later")
    func refused() {
        var session = Self.ready(at: .at(second))
        var now = MonotonicTime.at(100 * second)
        var alarms: [MonotonicTime] = []
        if session.lost("reset by peer", isReset: false, now) { alarms.append(now) }
        for _ in 0..<200 {
            let wait = session.nextAttempt - now
            #expect(wait >= second && wait <= 2 * second)
            now = session.nextAttempt
            session.expect(.connect, at: now)
            if session.lost("refused", isReset: false, now + 1_000_000) { alarms.append(now) }
            now += 1_000_000
        }
        #expect(alarms.count == 1)
        #expect(alarms.allSatisfy { $0 >= .at(159 * second) && $0 <= .at(163 * second) })
    }

    @Test("What fails in the vendor's nightly reset is no failure")
    func reset() {
        var session = SessionMachine(IBEngineSettings(seed: 7))
        session.begin(.at(0))
        for _ in 0..<10 {
            let isAlarm = session.lost("closed", isReset: true, session.nextAttempt)
            #expect(!isAlarm)
        }
        #expect(session.failures == 0)
    }

    @Test("A server that does not answer is left", arguments: [false, true])
    func mute(isGreeted: Bool) {
        var session = SessionMachine(IBEngineSettings(seed: 1))
        session.begin(.at(0))
        _ = session.timePassed(.at(0))
        session.connected(.at(0))
        if isGreeted { session.greeted(.at(0)) }
        #expect(session.nextDue == .at(10 * second))
        session.expect(.none, at: .at(10 * second - 1))
        session.expectClose(at: .at(10 * second))
    }

    @Test("A quiet server is asked for its time, and left when it stays quiet")
    func heartbeat() {
        var session = Self.ready(at: .at(0))
        #expect(session.nextDue == .at(15 * second))
        session.expect(.heartbeat, at: .at(15 * second))
        session.received(.at(16 * second))
        session.expect(.none, at: .at(30 * second))
        session.expect(.heartbeat, at: .at(31 * second))
        session.expect(.none, at: .at(51 * second - 1))
        session.expectClose(at: .at(51 * second))
    }

    @Test("A busy server is asked once a minute")
    func minute() {
        var session = Self.ready(at: .at(0))
        for step in 1..<60 { session.received(.at(Int64(step) * second)) }
        session.expect(.none, at: .at(60 * second - 1))
        session.expect(.heartbeat, at: .at(60 * second))
    }
}

extension SessionMachine {
    fileprivate mutating func expect(
        _ action: SessionAction, at now: MonotonicTime, place: SourceLocation = #_sourceLocation
    ) {
        let found = timePassed(now)
        #expect(found == action, sourceLocation: place)
    }

    fileprivate mutating func expectClose(
        at now: MonotonicTime, place: SourceLocation = #_sourceLocation
    ) {
        guard case .close = timePassed(now) else {
            Issue.record("it waits", sourceLocation: place)
            return
        }
    }
}
