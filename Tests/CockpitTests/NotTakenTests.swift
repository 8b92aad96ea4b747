import Testing

@testable import Cockpit

@Suite("Messages that were not taken") struct NotTakenTests {
    @Test("what a process counts is added once, also over restarts and with two processes")
    func added() {
        var count = NotTakenCount()
        // What was before the cockpit is no news; then each new one is.
        #expect(count.new(7, of: 1) == 0)
        #expect(count.new(7, of: 1) == 0)
        #expect(count.new(9, of: 1) == 2)
        #expect(count.new(3, of: 2) == 3)
        #expect(count.new(10, of: 1) == 1)
        #expect(count.new(3, of: 2) == 0)
        // A number that falls, and the largest one, add nothing that was not there.
        #expect(count.new(1, of: 2) == 0)
        #expect(count.new(UInt64.max, of: 1) == UInt64.max - 10)
    }

    @Test("at most so many processes are remembered, and the next one begins anew")
    func bound() {
        var count = NotTakenCount()
        _ = count.new(0, of: 0)
        for carrier in 1..<UInt64(NotTakenCount.carriersMax) {
            #expect(count.new(1, of: carrier) == 1)
        }
        #expect(count.new(1, of: 99) == 1)
        #expect(count.new(1, of: 1) == 1)
    }
}
