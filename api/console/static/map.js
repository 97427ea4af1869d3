// The map's shapes: far away one circle a building, near by one block a building with one cell a point.
// Nothing is fetched but the console's own data; texts are set as text, never as HTML.
(() => {
  const NEAR = 16, CELL_M = 9, EARTH_M = 111320;
  const MODE_COLUMN = {alerts: 4, comms: 5, state: 6};
  // Which value of a mode is worse: "without a meter" is no trouble, an alert is.
  const RANK = {alerts: [0, 1, 2, 3], comms: [0, 2, 3, 1], state: [0, 1, 2, 3]};

  function buildingsOf(points) {
    const found = new Map();
    for (const point of points) {
      const key = point[1] || point[0];
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(point);
    }
    return [...found].map(([name, own]) => ({
      name, points: own,
      lat: own.reduce((sum, point) => sum + point[2], 0) / own.length,
      lon: own.reduce((sum, point) => sum + point[3], 0) / own.length,
    }));
  }

  function element(tag, text, href) {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    if (href) { made.href = href; made.className = 'hb-link'; }
    return made;
  }

  function popupOf(building, told, value) {
    const box = element('div');
    box.append(element('strong', building.name), element('div', told.words.points.replace('{n}', building.points.length)));
    const list = element('div');
    const worst = [...building.points].sort((a, b) => told.rank[value(b)] - told.rank[value(a)]).slice(0, 8);
    for (const point of worst) {
      const line = element('div');
      line.append(element('a', point[0], '/points/' + encodeURIComponent(point[0])), ' ' + told.words.meaning[value(point)]);
      list.append(line);
    }
    box.append(list, element('a', told.words.list, '/points?text=' + encodeURIComponent(building.name)));
    if (building.points.some((point) => point[7])) {
      box.append(element('br'), element('a', told.words.alerts, '/alerts?building=' + encodeURIComponent(building.name)));
    }
    return box;
  }

  function cellsOf(building) {
    const columns = Math.max(1, Math.ceil(Math.sqrt(building.points.length * 1.5)));
    const rows = Math.ceil(building.points.length / columns);
    const dLat = CELL_M / EARTH_M, dLon = CELL_M / (EARTH_M * Math.cos(building.lat * Math.PI / 180));
    return building.points.map((point, at) => {
      const south = building.lat + (Math.floor(at / columns) - rows / 2) * dLat;
      const west = building.lon + (at % columns - columns / 2) * dLon;
      return {point, bounds: [[south, west], [south + dLat * 0.88, west + dLon * 0.88]]};
    });
  }

  // Convex outline of the buildings, a little wider than they are: the shape of the area.
  function outlineOf(buildings) {
    const points = buildings.map((one) => [one.lon, one.lat]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    if (points.length < 3) return [];
    const turn = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    const half = (ordered) => ordered.reduce((hull, point) => {
      while (hull.length > 1 && turn(hull[hull.length - 2], hull[hull.length - 1], point) <= 0) hull.pop();
      return [...hull, point];
    }, []).slice(0, -1);
    const hull = [...half(points), ...half([...points].reverse())];
    const lon = hull.reduce((sum, one) => sum + one[0], 0) / hull.length;
    const lat = hull.reduce((sum, one) => sum + one[1], 0) / hull.length;
    return hull.map((one) => [lat + (one[1] - lat) * 1.2, lon + (one[0] - lon) * 1.2]);
  }

  window.heatbookMap = async (map, told) => {
    const L = window.L;
    const answer = await fetch(told.url);
    if (!answer.ok) return;
    const buildings = buildingsOf((await answer.json()).points);
    if (!buildings.length) return;
    const column = MODE_COLUMN[told.mode], colors = told.colors[told.mode];
    told.rank = RANK[told.mode];
    const value = (point) => point[column];
    L.control.scale({imperial: false}).addTo(map);
    const outline = outlineOf(buildings);
    if (outline.length && told.outlined) {
      L.polygon(outline, {weight: 1, color: '#b8c5cf', fillColor: '#ffffff', fillOpacity: told.tiles ? 0.15 : 0.75, interactive: false}).addTo(map);
    }
    const far = L.layerGroup(), near = L.layerGroup(), names = L.layerGroup();
    for (const building of buildings) {
      const worst = building.points.reduce((one, two) => (told.rank[value(two)] > told.rank[value(one)] ? two : one));
      const count = building.points.length;
      L.circleMarker([building.lat, building.lon], {
        radius: 7 + Math.min(13, Math.sqrt(count)), weight: 2, color: '#fff', fillColor: colors[value(worst)], fillOpacity: 0.9,
      }).bindPopup(() => popupOf(building, told, value))
        .bindTooltip(building.name + ' · ' + count, {permanent: buildings.length <= 40, direction: 'bottom', offset: [0, 8], className: 'hb-map-name'})
        .addTo(far);
      for (const cell of cellsOf(building)) {
        L.rectangle(cell.bounds, {weight: 1, color: '#fff', fillColor: colors[value(cell.point)], fillOpacity: 0.95})
          .bindTooltip(cell.point[0] + ' · ' + told.words.meaning[value(cell.point)])
          .on('click', () => { location.href = '/points/' + encodeURIComponent(cell.point[0]); })
          .addTo(near);
      }
      L.marker([building.lat, building.lon], {opacity: 0, interactive: false, keyboard: false})
        .bindTooltip(building.name, {permanent: true, direction: 'bottom', offset: [0, 34], className: 'hb-map-name'}).addTo(names);
    }
    const swap = () => {
      const close = map.getZoom() >= NEAR;
      for (const layer of [near, names]) { if (close) layer.addTo(map); else layer.remove(); }
      if (close) far.remove(); else far.addTo(map);
    };
    map.on('zoomend', swap);
    map.fitBounds(L.latLngBounds(buildings.map((one) => [one.lat, one.lon])).pad(0.15), {maxZoom: 16.5, animate: false});
    swap();
    map.getContainer().dataset.ready = String(buildings.length);
  };
})();
