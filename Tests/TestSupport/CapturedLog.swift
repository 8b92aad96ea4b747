package import ServiceRuntime
import Synchronization

/// The log lines of a service under test.
package final class CapturedLog: Sendable {
    private let kept = Mutex<[String]>([])

    package init() {}

    package var sink: LogSink {
        LogSink { [self] line in
            kept.withLock { $0.append(String(decoding: line.dropLast(), as: UTF8.self)) }
            return true
        }
    }

    /// The lines so far, without their newlines.
    package var lines: [String] { kept.withLock { $0 } }

    package var text: String { lines.joined(separator: "\n") }

    package func lines(with part: String) -> [String] { lines.filter { $0.contains(part) } }

    /// The number of lines with this text.
    package func count(_ part: String) -> Int { lines(with: part).count }

    package func contains(_ part: String) -> Bool { count(part) > 0 }

    /// The number of lines of the event with this name.
    package func count(of event: String) -> Int { count("\"event\":\"\(event)\"") }

    package func removeAll() { kept.withLock { $0.removeAll() } }
}
