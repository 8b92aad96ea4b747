internal import Glibc

/// Who asks for a change, as the tape names people: user@host.
enum Requester {
    private static let hostBytesMax = 256

    /// Returns the name, cut to this many bytes.
    static func name(bytesMax: Int) -> String {
        let user = unsafe getenv("USER").map { unsafe String(cString: $0) } ?? "uid-\(getuid())"
        let text = host.isEmpty ? user : "\(user)@\(host)"
        var kept = ""
        for character in text where kept.utf8.count + character.utf8.count <= bytesMax {
            kept.append(character)
        }
        return kept
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
