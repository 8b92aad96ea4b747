internal import Glibc
import Primitives
import Synchronization

/// The keys that a person presses while the screen is redrawn.
final class WatchKeys: Sendable {
    enum Key: Equatable, Sendable {
        case quit
        case pause
        case help
        case page(WatchPage)
        case down
        case up
    }

    static let help = [
        "q: end   p or blank: pause and go on   j, k or arrows: down and up   h or ?: this",
        WatchPage.help,
    ]

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
        // An arrow is three bytes, which come together.
        var bytes = [UInt8](repeating: 0, count: 3)
        let count = unsafe read(0, &bytes, 3)
        return count > 0 ? Self.key(bytes.prefix(count)) : nil
    }

    /// The first of several keys that came together counts.
    static func key(_ bytes: ArraySlice<UInt8>) -> Key? {
        guard let first = bytes.first else { return nil }
        if first == 0x1b {
            if bytes.count == 1 { return .page(.all) }
            return bytes.elementsEqual([0x1b, 0x5b, 0x42])
                ? .down : bytes.elementsEqual([0x1b, 0x5b, 0x41]) ? .up : nil
        }
        let character = Character(UnicodeScalar(first))
        if let page = WatchPage(rawValue: character) { return .page(page) }
        return switch character {
        case "q", "Q": .quit
        case "p", "P", " ": .pause
        case "h", "H", "?": .help
        case "j": .down
        case "k": .up
        case _: nil
        }
    }
}
