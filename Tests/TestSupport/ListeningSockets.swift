import Foundation

/// The TCP ports on which processes of this machine listen, from /proc.
package enum ListeningSockets {
    /// Returns the ports of one process.
    package static func ports(of process: Int32) throws -> [UInt16] {
        let folder = "/proc/\(process)/fd"
        let inodes = Set(
            try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { name in
                // One that was closed meanwhile is none.
                try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")
            }.filter { $0.hasPrefix("socket:[") }.map { $0.dropFirst(8).dropLast() })
        var ports: Set<UInt16> = []
        for table in ["tcp", "tcp6"] {
            let path = "/proc/\(process)/net/\(table)"
            let text = try String(contentsOfFile: path, encoding: .utf8)
            for line in text.split(separator: "\n").dropFirst() {
                let words = line.split(separator: " ")
                // 0A: it listens.
                guard words.count > 9, words[3] == "0A", inodes.contains(words[9]),
                    let number = words[1].split(separator: ":").last,
                    let port = UInt16(number, radix: 16)
                else { continue }
                ports.insert(port)
            }
        }
        return ports.sorted()
    }
}
