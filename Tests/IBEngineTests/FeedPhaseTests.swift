import Foundation
import MarketModel
import Primitives
import Testing

@testable import IBEngine

@Suite("The phases of a feed") struct FeedPhaseTests {
    private static let now = Moment(wall: Timestamp(nanoseconds: 9), monotonic: .at(9))
    private static let cause = OutageCause(.server, "lost")
    private static let live = FeedPhase.Live(request: 1, since: now.wall)

    /// An example of each phase, by its name in the diagram.
    private static let phases: [(String, FeedPhase)] = [
        ("idle", .idle(FeedPhase.Idle())), ("idle", .idle(FeedPhase.Idle(cause: cause))),
        ("asked", .asked(FeedPhase.Asked(request: 1, since: .at(0), until: .at(7)))),
        ("asked", .asked(FeedPhase.Asked(request: 1, since: .at(0), until: .at(7), cause: cause))),
        ("live", .live(live)),
        (
            "interrupted",
            .interrupted(live, FeedPhase.Interruption(cause: cause, since: .at(0), until: .at(7)))
        ),
        ("done", .done(day: 1)),
    ]

    private static let events: [(String, FeedEvent)] = [
        ("asked", .asked(request: 2, until: .at(8))), ("sent", .sent),
        ("remarked", .remarked(needsTick: true)), ("delivers", .delivers(isSuspected: false)),
        ("suspected", .suspected(true)), ("broke", .broke(cause, since: .at(8), until: .at(9))),
        ("blamed", .blamed(OutageCause(.farm, "broken"))), ("postponed", .postponed(until: .at(8))),
        ("ended", .ended(.down, until: .at(8))), ("unlisted", .unlisted),
        ("finished", .finished(day: 2)),
    ]

    private static func name(_ phase: FeedPhase) -> String {
        switch phase {
        case .idle: "idle"
        case .asked: "asked"
        case .live: "live"
        case .interrupted: "interrupted"
        case .done: "done"
        }
    }

    /// Compares lines such as `idle --> asked: asked` of the diagram with what the code does with
    /// each event.
    @Test("The diagram in the module's README tells of all ways from one phase to the next")
    func diagram() throws {
        let readme = "\(#filePath)".replacingOccurrences(
            of: "Tests/IBEngineTests/FeedPhaseTests.swift",
            with: "Sources/Providers/IBEngine/README.md")
        let text = try String(contentsOfFile: readme, encoding: .utf8)
        var drawn: Set<String> = []
        for line in text.split(separator: "\n") where line.contains(" --> ") {
            let parts = line.split(separator: ":").map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2 else { continue }
            for event in parts[1].split(separator: ", ") { drawn.insert("\(parts[0]): \(event)") }
        }
        var found: Set<String> = []
        for (from, phase) in Self.phases {
            for (event, value) in Self.events {
                var next = phase
                guard next.handle(value, Self.now) else {
                    #expect(next == phase, "\(event) means nothing in \(from)")
                    continue
                }
                found.insert("\(from) --> \(Self.name(next)): \(event)")
            }
        }
        #expect(found.subtracting(drawn).sorted() == [], "not in the diagram")
        #expect(drawn.subtracting(found).sorted() == [], "not in the code")
    }

    @Test("An outage lasts until the feed delivers again")
    func outage() {
        var phase = FeedPhase.live(Self.live)
        phase.handle(.broke(Self.cause, since: .at(8), until: .at(9)), Self.now)
        for event in [.ended(.down, until: .at(1)), .asked(request: 2, until: .at(3)), .sent]
            as [FeedEvent]
        {
            phase.handle(event, Self.now)
            #expect(phase.cause == Self.cause, "after \(event)")
        }
        phase.handle(.delivers(isSuspected: false), Self.now)
        #expect(phase == .live(FeedPhase.Live(request: 2, since: Self.now.wall)))
    }

    @Test("That there is no such contract is forgotten when the feed is asked for again")
    func unlisted() {
        var phase = FeedPhase.idle(FeedPhase.Idle(pause: .refused))
        phase.handle(.unlisted, Self.now)
        phase.handle(.ended(.waiting, until: .at(1)), Self.now)
        #expect(phase.hasNoContract && phase.state == .waiting && phase.until == .at(1))
        phase.handle(.asked(request: 2, until: .at(3)), Self.now)
        phase.handle(.ended(.down, until: .at(1)), Self.now)
        #expect(!phase.hasNoContract && phase.state == .down)
    }
}
