import Glibc
import Testing

@testable import ServiceRuntime

@Suite("Waking a thread that polls")
struct WakeEventTests {
    @Test("wakes add up to one, which clearing takes away")
    func wakes() throws {
        let event = try WakeEvent()
        #expect(!isReadable(event))
        event.clear()
        event.wake()
        event.wake()
        #expect(isReadable(event))
        event.clear()
        #expect(!isReadable(event))
        event.wake()
        #expect(isReadable(event))
    }

    private func isReadable(_ event: WakeEvent) -> Bool {
        var entry = pollfd(fd: event.descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, 0) == 1
    }
}
