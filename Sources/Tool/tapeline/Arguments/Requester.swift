internal import Glibc

/// Who asks for a change, as the tape names people: user@host.
enum Requester {
    /// Names the person for whom this process was started, if it was started for another one.
    static let variable = "TAPELINE_REQUESTER"
    private static let hostBytesMax = 256

    /// Returns the name, cut to this many bytes.
    static func name(bytesMax: Int) -> String {
        let user = value("USER") ?? "uid-\(getuid())"
        let text = value(variable) ?? (host.isEmpty ? user : "\(user)@\(host)")
        var kept = ""
        for character in text where kept.utf8.count + character.utf8.count <= bytesMax {
            kept.append(character)
        }
        return kept
    }

    /// Whether this process acts for its own user.
    static var isOwn: Bool { value(variable) == nil }

    /// The name of this process's user, as one plain word.
    static var user: String {
        let plain = (value("USER") ?? "").filter { character in
            character.isASCII
                && (character.isLetter || character.isNumber || "._-".contains(character))
        }
        return plain.isEmpty || plain.hasPrefix("-") ? "uid-\(getuid())" : String(plain.prefix(32))
    }

    private static func value(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    private static var host: String {
        var bytes = [CChar](repeating: 0, count: hostBytesMax)
        let isKnown = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            unsafe buffer.baseAddress.map { unsafe gethostname($0, buffer.count - 1) == 0 } ?? false
        }
        guard isKnown else { return "" }
        return String(
            decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
