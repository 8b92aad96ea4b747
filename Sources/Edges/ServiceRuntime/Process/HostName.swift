internal import Glibc

/// The name of this machine, or of this container.
package enum HostName {
    /// "host" where the system does not say.
    package static var own: String {
        var bytes = [UInt8](repeating: 0, count: 256)
        let isKnown = unsafe bytes.withUnsafeMutableBytes { buffer in
            let start = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            guard let start = unsafe start else { return false }
            return unsafe gethostname(start, buffer.count - 1) == 0
        }
        return isKnown ? String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) : "host"
    }
}
