internal import Glibc
import Primitives
import Synchronization

/// The keys that a person presses while the screen is redrawn.
final class WatchKeys: Sendable {
    enum Key: Sendable {
        case quit
        case pause
        case help
    }

    static let help = "q: end   p or blank: pause and go on   h or ?: this line"

    /// The terminal's settings from before. `nil` after they were restored.
    private let before: Mutex<termios?>

    /// Fails if standard input is no terminal, or if another process reads its keys.
    init?() {
        guard isatty(0) == 1, tcgetpgrp(0) == getpgrp() else { return nil }
        var settings = termios()
        guard unsafe tcgetattr(0, &settings) == 0 else { return nil }
        before = Mutex(settings)
        // Each key comes at once and is not shown. Signals by keys stay as they are.
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
        guard unsafe tcsetattr(0, TCSANOW, &settings) == 0 else { return nil }
    }

    /// Restores the terminal. It may be called from any thread and repeatedly.
    func end() {
        before.withLock { before in
            guard var settings = before else { return }
            _ = unsafe tcsetattr(0, TCSANOW, &settings)
            before = nil
        }
    }

    /// Returns the next key with a meaning, if it is pressed within this time.
    func next(within timeout: Duration) -> Key? {
        var request = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        let milliseconds = timeout.clampedNanoseconds / 1_000_000
        guard unsafe poll(&request, 1, Int32(clamping: max(0, milliseconds))) > 0 else {
            return nil
        }
        var byte: UInt8 = 0
        guard unsafe read(0, &byte, 1) == 1 else { return nil }
        return Self.key(byte)
    }

    static func key(_ byte: UInt8) -> Key? {
        if "qQ".utf8.contains(byte) { return .quit }
        if "pP ".utf8.contains(byte) { return .pause }
        return "hH?".utf8.contains(byte) ? .help : nil
    }
}
