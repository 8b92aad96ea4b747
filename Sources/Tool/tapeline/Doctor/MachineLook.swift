internal import ServiceRuntime

/// Reads from the kernel how this machine is.
enum MachineLook {
    /// The libraries of ours whose versions matter.
    private static let libraries = [
        "libnats", "libpq", "libhiredis", "libmicrohttpd", "libyaml", "libxxhash", "libssl",
    ]

    /// `processes` are those of a local stack, by name; this program is added. `folders` are the
    /// places whose disks count.
    static func facts(
        processes: [(name: String, id: Int32)], folders: [String]
    ) -> MachineFacts {
        var facts = MachineFacts()
        let all =
            [(name: "tapeline", path: "/proc/self/limits")]
            + processes.map { (name: $0.name, path: "/proc/\($0.id)/limits") }
        facts.openFiles = all.compactMap { process in
            text(process.path).flatMap(openFiles).map {
                MachineFacts.OpenFiles(process: process.name, maximum: $0)
            }
        }
        if let memory = text("/proc/meminfo").map(memory) {
            facts.memoryBytes = memory.all
            facts.memoryFreeBytes = memory.available
        }
        facts.disks = folders.compactMap(disk)
        facts.clock = KernelClock.read()
        facts.libraries = text("/proc/self/maps").map(libraries) ?? []
        return facts
    }

    private static func text(_ path: String) -> String? {
        do throws(ToolError) {
            return try FileSystem.read(path).map { String(decoding: $0, as: UTF8.self) }
        } catch {
            // The finding says that it cannot be read.
            return nil
        }
    }

    /// Returns the soft limit of open files from `/proc/<id>/limits`.
    static func openFiles(_ limits: String) -> UInt64? {
        let line = limits.split(separator: "\n").first { $0.hasPrefix("Max open files") }
        let words = line?.split(separator: " ").dropFirst(3) ?? []
        guard let soft = words.first else { return nil }
        return soft == "unlimited" ? .max : UInt64(soft)
    }

    /// Returns the bytes of `/proc/meminfo`; zero for a missing line.
    static func memory(_ info: String) -> (all: UInt64, available: UInt64) {
        func bytes(_ name: String) -> UInt64 {
            let line = info.split(separator: "\n").first { $0.hasPrefix("\(name):") }
            let words = line?.split(separator: " ") ?? []
            guard words.count >= 2, let kibibytes = UInt64(words[1]) else { return 0 }
            return kibibytes.multipliedReportingOverflow(by: 1_024).partialValue
        }
        return (bytes("MemTotal"), bytes("MemAvailable"))
    }

    /// Returns the names of the loaded libraries' files from `/proc/self/maps`.
    static func libraries(_ maps: String) -> [String] {
        let files = maps.split(separator: "\n").compactMap { line in
            line.lastIndex(of: "/").map { String(line[line.index(after: $0)...]) }
        }
        return Set(files.filter { file in libraries.contains { file.hasPrefix("\($0).") } })
            .sorted()
    }

    static func disk(_ folder: String) -> MachineFacts.Disk? {
        DiskRoom(at: folder).map {
            MachineFacts.Disk(path: folder, freeBytes: $0.freeBytes, totalBytes: $0.totalBytes)
        }
    }
}
