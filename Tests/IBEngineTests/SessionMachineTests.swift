import Primitives
import Testing

@testable import IBEngine

@Suite("The session of a connection") struct SessionMachineTests {
    private static func ready(at now: MonotonicTime) -> SessionMachine {
        var session = SessionMachine(IBEngineSettings(seed: 1))
        session.begin(now)
        let outcome1 = session.timePassed(now)
        #expect(outcome1 == .connect)
        session.connected(now)
        session.greeted(now)
        let outcome2 = session.received(id: true, accounts: false, now)
        #expect(!outcome2)
        let outcome3 = session.received(id: false, accounts: true, now)
        #expect(outcome3)
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
            let outcome4 = session.timePassed(now)
            #expect(outcome4 == .connect)
            now += 2 * second
            if session.lost("no answer", isReset: false, now) { alarms.append(attempt) }
            let wait = session.nextAttempt - now
            #expect(wait >= 5 * second / 2 && wait <= 60 * second)
            let outcome5 = session.timePassed(session.nextAttempt - 1)
            #expect(outcome5 == .none)
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
            let outcome = session.timePassed(now)
            #expect(outcome == .connect)
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
            let outcome = session.timePassed(now)
            #expect(outcome == .connect)
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
        let outcome6 = session.timePassed(.at(10 * second - 1))
        #expect(outcome6 == .none)
        guard case .close = session.timePassed(.at(10 * second)) else {
            Issue.record("it waits")
            return
        }
    }

    @Test("A quiet server is asked for its time, and left when it stays quiet")
    func heartbeat() {
        var session = Self.ready(at: .at(0))
        #expect(session.nextDue == .at(15 * second))
        let outcome7 = session.timePassed(.at(15 * second))
        #expect(outcome7 == .heartbeat)
        session.received(.at(16 * second))
        let outcome8 = session.timePassed(.at(30 * second))
        #expect(outcome8 == .none)
        let outcome9 = session.timePassed(.at(31 * second))
        #expect(outcome9 == .heartbeat)
        let outcome10 = session.timePassed(.at(51 * second - 1))
        #expect(outcome10 == .none)
        guard case .close = session.timePassed(.at(51 * second)) else {
            Issue.record("it waits")
            return
        }
    }

    @Test("A busy server is asked once a minute")
    func minute() {
        var session = Self.ready(at: .at(0))
        for step in 1..<60 { session.received(.at(Int64(step) * second)) }
        let outcome11 = session.timePassed(.at(60 * second - 1))
        #expect(outcome11 == .none)
        let outcome12 = session.timePassed(.at(60 * second))
        #expect(outcome12 == .heartbeat)
    }
}
