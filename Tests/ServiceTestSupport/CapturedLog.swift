import Synchronization
package import ServiceRuntime

/// The log lines of a service under test.
package final class CapturedLog: Sendable {
    private let lines = Mutex<[String]>([])

    package init() {}

    package var sink: LogSink {
        LogSink { line in
            self.lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
            return true
        }
    }

    package var text: String { lines.withLock { $0.joined() } }

    package func contains(_ part: String) -> Bool {
        lines.withLock { $0.contains { $0.contains(part) } }
    }

    package func count(of event: String) -> Int {
        lines.withLock { $0.count { $0.contains("\"event\":\"\(event)\"") } }
    }
}
