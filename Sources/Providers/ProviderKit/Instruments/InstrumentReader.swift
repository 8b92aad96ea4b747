internal import MarketModel
internal import YAMLFile

/// Reads several files into one list.
struct InstrumentReader {
    /// An instrument, and where it is listed first.
    private struct Found {
        var instrument: Instrument
        let file: String
        let position: YAMLPosition
    }

    private let read: InstrumentFile.Read
    private var found: [Found] = []
    /// The indexes in `found`.
    private var numbers: [Symbol: Int] = [:]
    private var problems: [FileMistake] = []
    /// The files that were read. Every file is read once, however many files include it.
    private var filesRead: Set<String> = []
    /// The paths from the named file to the one that is being read.
    private var trail: [String] = []
    /// It was reported that there are too many instruments.
    private var isFull = false

    init(read: @escaping InstrumentFile.Read) { self.read = read }

    /// Reads a file and those that it includes. Mistakes are collected.
    mutating func read(_ path: String) {
        var list = ProblemList(file: path)
        take(path, at: nil, of: &list)
        problems += list.sorted.all
    }

    /// Returns all instruments, or throws all mistakes.
    func finish(_ paths: [String]) throws(FileMistakes) -> [Instrument] {
        guard problems.isEmpty else { throw FileMistakes(problems) }
        guard !found.isEmpty else {
            throw FileMistakes([
                FileMistake(
                    file: paths.first ?? "no file", position: nil,
                    what: "no instrument is listed: write some under 'instruments'")
            ])
        }
        return found.map(\.instrument)
    }

    // MARK: files

    /// Reads a file unless it was read already. `list` has the mistakes of the file that names it,
    /// at `position` (`nil`: no file does).
    private mutating func take(
        _ path: String, at position: YAMLPosition?, of list: inout ProblemList
    ) {
        let path = Self.plain(path)
        if trail.contains(path) {
            let circle = (trail.drop { $0 != path } + [path]).joined(separator: " <- ")
            list.add(position, "include leads back to itself (\(circle)): remove one of them")
            return
        }
        guard !filesRead.contains(path) else { return }
        guard filesRead.count < InstrumentFile.filesMax else {
            list.add(position, "more than \(InstrumentFile.filesMax) files: put lists together")
            return
        }
        filesRead.insert(path)
        trail.append(path)
        readFile(path)
        trail.removeLast()
    }

    private mutating func readFile(_ path: String) {
        var list = ProblemList(file: path)
        defer { problems += list.sorted.all }
        guard let root = ProblemList.load(path, read, &list),
            let fields = Fields(
                root, of: "the list", known: ["version", "include", "defaults", "instruments"],
                explained: ["symbols": "write 'instruments'"], &list)
        else { return }
        _ = list.integer(
            fields.required("version", of: "the list", as: "1", &list), "version", in: 1...1)
        let included = includes(fields["include"], &list)
        let defaults = InstrumentDefaults(fields["defaults"], &list)
        if let node = included.isEmpty
            ? fields.required("instruments", of: "the list", as: "[SPY, QQQ]", &list)
            : fields["instruments"]
        {
            takeAll(node, defaults, &list)
        }
        for (name, position) in included {
            take(Self.beside(path, name), at: position, of: &list)
        }
    }

    /// Reads one path, or a list of them.
    private func includes(
        _ node: YAMLNode?, _ list: inout ProblemList
    ) -> [(String, YAMLPosition)] {
        guard let node else { return [] }
        return (node.sequence ?? [node]).compactMap { one in
            list.text(one, "include").map { ($0, one.position) }
        }
    }

    // MARK: instruments

    private mutating func takeAll(
        _ node: YAMLNode, _ defaults: InstrumentDefaults, _ list: inout ProblemList
    ) {
        guard let items = node.sequence else {
            list.add(
                node.position,
                "instruments is \(node.kind): write a list of symbols, or of mappings like "
                    + "{symbol: SPY, feeds: [quotes, bars]}")
            return
        }
        var lines: [Symbol: Int] = [:]
        for item in items {
            guard let instrument = InstrumentItem.read(item, defaults, &list) else { continue }
            if let line = lines[instrument.symbol] {
                list.add(
                    item.position,
                    "\(Shown.text(instrument.symbol.text)) is in line \(line), too: remove one "
                        + "of them")
                continue
            }
            lines[instrument.symbol] = item.position.line
            add(instrument, at: item.position, &list)
        }
    }

    /// Adds an instrument. One that several lists name gets the feeds of all of them.
    private mutating func add(
        _ instrument: Instrument, at position: YAMLPosition, _ list: inout ProblemList
    ) {
        guard let number = numbers[instrument.symbol] else {
            guard found.count < ProviderLimits.instrumentsMax else {
                if !isFull {
                    list.add(
                        position,
                        "more than \(ProviderLimits.instrumentsMax) instruments: share them out "
                            + "over several sources")
                }
                isFull = true
                return
            }
            numbers[instrument.symbol] = found.count
            found.append(Found(instrument: instrument, file: list.file, position: position))
            return
        }
        let other = found[number]
        let place = "\(other.file):\(other.position)"
        let name = Shown.text(instrument.symbol.text)
        guard other.instrument.contract == instrument.contract else {
            list.add(
                position, "\(name) is another contract in \(place): give one of them another symbol"
            )
            return
        }
        let hasProviders = !instrument.providers.isEmpty
        if hasProviders, !other.instrument.providers.isEmpty,
            instrument.providers != other.instrument.providers
        {
            list.add(position, "\(name) has other providers in \(place): write the same in both")
            return
        }
        let depthExchange = instrument.depthExchange
        if !depthExchange.isEmpty {
            let known = other.instrument.depthExchange
            guard known.isEmpty || known == depthExchange else {
                list.add(
                    position,
                    "\(name) has another depth_exchange in \(place): write the same in both"
                )
                return
            }
            found[number].instrument.depthExchange = depthExchange
        }
        if hasProviders { found[number].instrument.providers = instrument.providers }
        found[number].instrument.feeds.formUnion(instrument.feeds)
    }

    // MARK: paths

    /// Returns a path relative to the file's folder.
    private static func beside(_ path: String, _ relative: String) -> String {
        guard relative.utf8.first != UInt8(ascii: "/"), let end = path.lastIndex(of: "/") else {
            return relative
        }
        return path[...end] + relative
    }

    /// Returns one name for one file: without `.` and `x/..`.
    private static func plain(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == "..", let last = parts.last, last != ".." {
                parts.removeLast()
            } else {
                parts.append(part)
            }
        }
        return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}
