internal import Foundation
internal import Glibc

/// The processor time of a process, as the kernel reports it.
struct ProcessUse {
    let id: Int32
    /// Seconds of processor time.
    let processor: Double
    /// The same per name of threads.
    let threads: [String: Double]

    init(_ id: Int32) throws {
        self.id = id
        let fields =
            try Self.text("/proc/\(id)/stat").split(separator: ")").last?.split(separator: " ")
            ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12])
        else { throw Unusable("process \(id) is gone") }
        processor = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        var threads: [String: Double] = [:]
        for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/task") {
            let folder = "/proc/\(id)/task/\(thread)"
            do {
                let name = try Self.text("\(folder)/comm").trimmingCharacters(in: .newlines)
                let used = try Self.text("\(folder)/schedstat").split(separator: " ").first
                threads[name, default: 0] += (used.flatMap { Double($0) } ?? 0) / 1e9
            } catch {
                // The thread has ended meanwhile.
                continue
            }
        }
        self.threads = threads
    }

    /// Returns the shares of a core per thread name since then, the busiest first.
    func shares(since before: ProcessUse, seconds: Double) -> [(name: String, share: Double)] {
        threads.map { ($0.key, ($0.value - (before.threads[$0.key] ?? 0)) / seconds) }
            .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }

    /// Returns resident memory now and at its peak, in bytes.
    static func memory(_ id: Int32) throws -> (present: Int, peak: Int) {
        var values: [String: Int] = [:]
        for line in try text("/proc/\(id)/status").split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count == 3, let kilobytes = Int(words[1]) else { continue }
            values[String(words[0])] = kilobytes * 1_024
        }
        return (values["VmRSS:"] ?? 0, values["VmHWM:"] ?? 0)
    }

    static func load() throws -> String {
        try text("/proc/loadavg").split(separator: " ").first.map(String.init) ?? ""
    }

    private static func text(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8)
    }
}
