// The page around the origin's client: what it would show, kept for a test to look at, and its clock in the
// test's hand. A classic script, for a page and for Node.
'use strict';

const shown = { event: null, participants: {}, notifications: [], badges: [], types: [] };
const intervals = [];
globalThis.setInterval = (call, everyMs) => intervals.push({ call, everyMs });

function openDesk(host, eventId) {
  const show = (participant) => {
    shown.participants[participant.event_pax_id] = participant;
  };
  const display = {
    eventInfo: (event) => {
      shown.event = event;
    },
    participants: (all) => all.forEach(show),
    participantStatus: show,
    newParticipant: show,
    notification: (text) => shown.notifications.push(text),
    eventBadge: (id, type) => shown.badges.push([id, type]),
  };
  for (const socket of [watchEvent(host, eventId, display), watchDashboard(host, display)]) {
    socket.addEventListener('message', ({ data }) => shown.types.push(JSON.parse(data).type));
  }
}

/** Half a minute passes. */
function letTheIntervalPass() {
  for (const { call } of intervals) call();
  return intervals.map(({ everyMs }) => everyMs);
}

const look = () => JSON.parse(JSON.stringify(shown));
