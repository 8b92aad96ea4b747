import ServiceTestSupport
import Synchronization
import TestSupport
import Testing

@testable import Cockpit
@testable import ServiceRuntime

@Suite("The thread that asks") struct AskingThreadTests {
    @Test("it gives a sign of life before each question")
    func signs() throws {
        let description = ServiceDescription(name: "test", version: "0", summary: "", keys: [])
        let context = try TestService(description, [:]).context
        let audience = Audience(try EventFeed(instance: "a"))
        let hung = Mutex<[Bool]>([])
        let question = Question<Int>()
        let thread = try question.start("test", context, audience) { _ in
            // The first question takes longer than the thread may be silent.
            func ask() -> Int {
                let count = hung.withLock { $0.count }
                let turns = count == 0 ? ThreadWatch.turns(in: ThreadWatch.callLimit) + 1 : 1
                for _ in 0..<turns { _ = context.threads.turn() }
                hung.withLock { $0.append(context.threads.isHung) }
                return count
            }
            return ask
        }
        let hasAskedTwice = eventually {
            audience.note(at: context.clock.monotonic())
            return hung.withLock { $0.count } > 1
        }
        context.shutdown.request()
        thread.join()
        #expect(hasAskedTwice)
        #expect(hung.withLock { Array($0.prefix(2)) } == [true, false])
    }
}
