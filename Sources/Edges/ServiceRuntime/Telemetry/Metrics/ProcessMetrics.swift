internal import Glibc

extension MetricRegistry {
    /// Adds the `process_*` family of every Prometheus client, from `/proc/self`. Values that
    /// cannot be read are absent.
    public func addProcessMetrics() {
        reading("process_resident_memory_bytes", "Memory of the process that is in RAM, bytes.") {
            ProcessReading.memoryBytes(field: 1)
        }
        reading("process_virtual_memory_bytes", "Address space of the process, bytes.") {
            ProcessReading.memoryBytes(field: 0)
        }
        countReading("process_cpu_seconds_total", "CPU time used, user and system, seconds.") {
            ProcessReading.cpuSeconds()
        }
        reading("process_open_fds", "File descriptors that are open.") {
            ProcessReading.openDescriptors()
        }
        reading("process_max_fds", "File descriptors that may be open.") {
            ProcessReading.descriptorsMax()
        }
        let start = ProcessReading.startSeconds()
        reading("process_start_time_seconds", "Start of the process, seconds since 1970.") {
            start
        }
    }

    /// Adds `mds_build_info`: 1, with the service, its version and its revision in the labels.
    public func addBuildInformation(service: String, version: String, revision: String) {
        gauge(
            "mds_build_info", "always 1",
            "more than one revision of a service: an upgrade is under way, or was not finished",
            by: "service, version, revision: a short hash, with `-dirty` if files differed; "
                + "unknown if the build was not given one",
            labels: [("service", service), ("version", version), ("revision", revision)]
        ).set(1)
    }

    /// Adds the numbers of suppressed and dropped log lines.
    public func addLogMetrics(of logger: Logger) {
        countReading(
            "mds_log_suppressed_lines_total",
            "a log line left out because its event came too often",
            "read the lines of that event in the log"
        ) { Double(logger.suppressedCount) }
        countReading(
            "mds_log_dropped_lines_total", "a log line lost because its reader did not read",
            "check the process that reads the log, and whether it is stopped"
        ) { Double(logger.droppedCount) }
    }
}

private enum ProcessReading {
    private static let fileBytesMax = 8_192

    static func memoryBytes(field: Int) -> Double? {
        guard let pages = words(of: "/proc/self/statm")?[at: field].flatMap({ Double($0) }) else {
            return nil
        }
        return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
    }

    static func cpuSeconds() -> Double? {
        var time = timespec()
        // Safety: the call fills `time`.
        guard unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return nil }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    static func openDescriptors() -> Double? {
        // Safety: the folder is closed below, and an entry is read before the next call.
        guard let folder = unsafe opendir("/proc/self/fd") else { return nil }
        defer { unsafe closedir(folder) }
        var entries = 0
        while unsafe readdir(folder) != nil { entries += 1 }
        // Without ".", ".." and this call's own descriptor.
        return Double(max(0, entries - 3))
    }

    static func descriptorsMax() -> Double? {
        var limit = rlimit()
        // Safety: the call fills `limit`.
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return nil
        }
        return limit.rlim_cur == rlim_t.max ? .infinity : Double(limit.rlim_cur)
    }

    /// Returns the boot time plus the process's start, which `/proc` counts in clock ticks since
    /// boot.
    static func startSeconds() -> Double? {
        // The second field is the program's name in parentheses and may contain anything.
        guard let stat = text(of: "/proc/self/stat"), let name = stat.lastIndex(of: ")"),
            let ticks = stat[stat.index(after: name)...].split(separator: " ")[at: 19]
                .flatMap({ Double($0) }),
            let boot = text(of: "/proc/stat")?.split(separator: "\n")
                .first(where: { $0.hasPrefix("btime ") })?.split(separator: " ")[at: 1]
                .flatMap({ Double($0) })
        else { return nil }
        return boot + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func words(of path: String) -> [Substring]? {
        text(of: path)?.split(whereSeparator: \.isWhitespace)
    }

    /// Returns the complete content of a small file.
    private static func text(of path: String) -> String? {
        // Safety: a descriptor of ours, closed below.
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: fileBytesMax)
        while bytes.count < 64 * fileBytesMax {
            // Safety: writes at most `fileBytesMax` bytes into the array of that size.
            let count = unsafe part.withUnsafeMutableBytes {
                unsafe read(file, $0.baseAddress, fileBytesMax)
            }
            guard count > 0 else { break }
            bytes.append(contentsOf: part[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Array {
    fileprivate subscript(at index: Int) -> Element? {
        indices.contains(index) ? self[index] : nil
    }
}
