internal import MarketModel
internal import YAMLFile

/// Reads several files into one list. `InstrumentFile.read` makes one per reading.
struct InstrumentReader {
    /// An instrument, and where it is listed first.
    private struct Found {
        var instrument: Instrument
        let file: String
        let position: YAMLPosition
    }

    private let read: InstrumentFile.Read
    /// The instruments in the order of the result.
    private var found: [Found] = []
    /// The indexes in `found`, by symbol.
    private var numbers: [Symbol: Int] = [:]
    /// The mistakes of all files.
    private var problems: [FileMistake] = []
    /// The paths of the files that were read. Every file is read once, however many files include
    /// it.
    private var filesRead: Set<String> = []
    /// The paths from a file of the configuration, over includes, to the file that is being read.
    private var trail: [String] = []
    /// Whether it was listed as a mistake that there are too many instruments. It is listed once.
    private var isFull = false

    init(read: @escaping InstrumentFile.Read) { self.read = read }

    /// Reads a file of the configuration and those that it includes. Mistakes are collected.
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

    /// Reads a file unless it was read already. `list` takes the mistakes of the file that includes
    /// it at `position`; `nil` for a file of the configuration.
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

    /// Reads a file's own instruments, then the files that it includes.
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

    /// Returns the included paths, as the file has them: one path, or a list of them.
    private func includes(
        _ node: YAMLNode?, _ list: inout ProblemList
    ) -> [(String, YAMLPosition)] {
        guard let node else { return [] }
        return (node.sequence ?? [node]).compactMap { one in
            list.text(one, "include").map { ($0, one.position) }
        }
    }

    // MARK: instruments

    /// Adds the instruments of one file. A symbol that the file lists twice is a mistake.
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

    /// Adds an instrument. One that several files list gets the feeds of all of them. Its contract
    /// has to be the same in all of them. Its providers, its exchange of depth and its lot may be
    /// left out in some of them.
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
        if let lot = instrument.lot {
            guard other.instrument.lot == nil || other.instrument.lot == lot else {
                list.add(position, "\(name) has another lot in \(place): write the same in both")
                return
            }
            found[number].instrument.lot = lot
        }
        if hasProviders { found[number].instrument.providers = instrument.providers }
        found[number].instrument.feeds.formUnion(instrument.feeds)
    }

    // MARK: paths

    /// Returns the path that `relative` means in the file at `path`: it is relative to the file's
    /// folder, unless it is absolute.
    private static func beside(_ path: String, _ relative: String) -> String {
        guard relative.utf8.first != UInt8(ascii: "/"), let end = path.lastIndex(of: "/") else {
            return relative
        }
        return path[...end] + relative
    }

    /// Returns the path without `.` and `x/..`, so that a file has one name.
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
